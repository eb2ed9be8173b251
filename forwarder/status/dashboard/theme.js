// Light, dark, or what the system prefers.

import { find, write } from "./dom.js";

const THEMES = ["system", "light", "dark"];
const KEY = "forwarder-theme";

export function offerThemes() {
  let theme = localStorage.getItem(KEY) ?? "system";
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    write(find("theme-name"), theme);
  };
  find("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    localStorage.setItem(KEY, theme);
    apply();
  });
  apply();
}
