/** The page behind a link that asks for a decision. No script, nothing from elsewhere: it works in any mail reader's browser. */

/** Something to choose or to write beside the decision. Its field in the form is `question-0`, `question-1`, … */
export interface PageQuestion {
  text: string
  /** To choose from; with none, or beside them, something can be written into `question-0-other`, … */
  options: { label: string; description: string }[]
  multiple: boolean
}

export interface DecisionPage {
  title: string
  message: string
  questions?: PageQuestion[]
  /** Decisions to choose from; none when there is nothing to decide. */
  decisions: string[]
  facts: [name: string, value: string][]
}

/** Of every answer to such a link. */
export const pageHeaders = {
  'cache-control': 'no-store',
  // The address is the permission: it must not travel on.
  'referrer-policy': 'no-referrer',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
} as const

export const decisionPage = ({
  title,
  message,
  questions = [],
  decisions,
  facts,
}: DecisionPage): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${text(title)}</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 36rem; margin: 10vh auto; padding: 0 1rem }
h1 { font-size: 1.25rem }
p { white-space: pre-wrap; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; font-size: .875rem }
dd { margin: 0; overflow-wrap: anywhere }
label { display: block; margin: 1.5rem 0 .25rem }
fieldset { border: 1px solid; border-radius: .25rem; margin: 1rem 0 }
textarea { width: 100%; box-sizing: border-box; font: inherit; padding: .5rem }
button { font: inherit; padding: .5rem 1.25rem; margin: 1rem .5rem 0 0; cursor: pointer }
</style>
</head>
<body>
<main>
<h1>${text(title)}</h1>
<p>${text(message)}</p>
<dl>${facts.map(([name, value]) => `<dt>${text(name)}</dt><dd>${text(value)}</dd>`).join('')}</dl>
${decisions.length === 0 ? '' : form(questions, decisions)}
</main>
</body>
</html>
`

const form = (questions: PageQuestion[], decisions: string[]): string => `<form method="post">
${questions.map(question).join('')}<label for="comment">Comment, if you like</label>
<textarea id="comment" name="comment" rows="3" maxlength="4000"></textarea>
${decisions.map((decision) => `<button name="decision" value="${text(decision)}">${text(decision)}</button>`).join('')}
</form>`

const question = ({ text: asked, options, multiple }: PageQuestion, at: number): string => `<fieldset>
<legend>${text(asked)}</legend>
${options.map(({ label, description }) => `<label><input type="${multiple ? 'checkbox' : 'radio'}" name="question-${at}" value="${text(label)}"> ${text(label)}${description === '' ? '' : ` <small>${text(description)}</small>`}</label>`).join('\n')}
<label>${options.length === 0 ? 'Your answer' : 'Something else'} <input name="question-${at}-other" maxlength="4000"></label>
</fieldset>
`

const text = (value: string): string => value.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)
