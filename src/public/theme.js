/** Light or dark: what the device prefers, until somebody chooses. Runs before the page is painted, so it is no module. */
const prefersDark = window.matchMedia('(prefers-color-scheme: dark)');

function showTheme() {
  const chosen = window.localStorage.getItem('theme');
  document.documentElement.dataset.theme = chosen ?? (prefersDark.matches ? 'dark' : 'light');
  for (const toggle of document.querySelectorAll('.theme')) {
    toggle.ariaPressed = String(document.documentElement.dataset.theme === 'dark');
  }
}

showTheme();
prefersDark.addEventListener('change', showTheme);
document.addEventListener('DOMContentLoaded', showTheme);
document.addEventListener('click', ({ target }) => {
  if (!(target instanceof window.Element) || !target.closest('.theme')) return;
  window.localStorage.setItem('theme', document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
  showTheme();
});
