// SPDX-License-Identifier: Apache-2.0
// The form for a key. The key goes to the server once and is kept nowhere here; what stays is the session's proof.
const form = document.getElementById('form'), key = document.getElementById('key')
const problem = document.getElementById('problem'), button = form.querySelector('button')

async function logIn () {
  const answer = await fetch('/page/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ key: key.value.trim() }),
    credentials: 'same-origin',
    redirect: 'error'
  })
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.message)
  localStorage.setItem('daytona-local-page', body.proof)
  key.value = ''
  location.replace('/')
}

// Without the script the browser would send the form itself, which the server refuses.
document.getElementById('fields').disabled = false
key.focus()
form.addEventListener('submit', async event => {
  event.preventDefault()
  button.disabled = true
  problem.textContent = ''
  try {
    await logIn()
  } catch (error) {
    problem.textContent = error.message
    button.disabled = false
    key.select()
  }
})
