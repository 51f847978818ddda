// Airflow shows our pages in a frame that may open nothing by itself, and has a switch for light and dark of its own.
// Links open where people expect them: Airflow's in its window, others in a new tab. Without scripts they open here.
(() => {
  "use strict";
  let page;
  try {
    page = window.parent === window ? null : window.parent.document;
  } catch {
    page = null; // in a frame of somebody else, which the policy forbids
  }
  if (!page) return;

  const follow = () => {
    const { classList } = page.documentElement;
    if (classList.contains("dark") || classList.contains("light")) {
      document.documentElement.dataset.theme = classList.contains("dark") ? "dark" : "light";
    }
  };
  follow();
  new MutationObserver(follow).observe(page.documentElement, { attributeFilter: ["class"] });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || event.defaultPrevented || "stays" in link.dataset || link.getAttribute("href").startsWith("#")) return;
    event.preventDefault();
    const outside = page.createElement("a");
    outside.href = link.href;
    if (link.origin !== window.location.origin || event.ctrlKey || event.metaKey) {
      outside.target = "_blank";
      outside.rel = "noopener noreferrer";
    }
    page.body.append(outside);
    outside.click();
    outside.remove();
  });
})();
