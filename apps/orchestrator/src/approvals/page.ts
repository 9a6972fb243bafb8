/** The page behind an approval link. No script, nothing from elsewhere: it works in any mail reader's browser. */

export interface ApprovalPage {
  title: string
  message: string
  /** Decisions to choose from; none when there is nothing to decide. */
  decisions: string[]
  facts: [name: string, value: string][]
}

export const approvalPage = ({ title, message, decisions, facts }: ApprovalPage): string => `<!doctype html>
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
textarea { width: 100%; box-sizing: border-box; font: inherit; padding: .5rem }
button { font: inherit; padding: .5rem 1.25rem; margin: 1rem .5rem 0 0; cursor: pointer }
</style>
</head>
<body>
<main>
<h1>${text(title)}</h1>
<p>${text(message)}</p>
<dl>${facts.map(([name, value]) => `<dt>${text(name)}</dt><dd>${text(value)}</dd>`).join('')}</dl>
${decisions.length === 0 ? '' : form(decisions)}
</main>
</body>
</html>
`

const form = (decisions: string[]): string => `<form method="post">
<label for="comment">Comment, if you like</label>
<textarea id="comment" name="comment" rows="3" maxlength="4000"></textarea>
${decisions.map((decision) => `<button name="decision" value="${text(decision)}">${text(decision)}</button>`).join('')}
</form>`

const text = (value: string): string => value.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)
