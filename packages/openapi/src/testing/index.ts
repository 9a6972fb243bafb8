export { checkAnswers } from './check-answers.ts'
export { documentFaults } from './document-faults.ts'
