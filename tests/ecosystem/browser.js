// Opens a page in a real browser and prints what it shows once it is done: browser.js PAGE
const { chromium } = require("playwright-core");

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    await page.goto(process.argv[2]);
    await page.waitForSelector("#log.done", { timeout: 120000 });
    console.log(await page.textContent("#log"));
  } finally {
    await browser.close();
  }
})();
