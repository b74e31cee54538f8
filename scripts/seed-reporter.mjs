/** A reporter for jest: for each file that failed, it prints the command that repeats it with the same random choices. */
const COMMANDS = {
  unit: 'npm run jest -- --selectProjects unit',
  e2e: 'npm run jest -- --selectProjects e2e',
  nest11: 'npm run check:nest11 --',
};

export default class SeedReporter {
  constructor({ rootDir, seed }) {
    this.rootDir = rootDir;
    this.seed = process.env.FUZZ_SEED || seed;
  }

  onRunComplete(_contexts, { testResults }) {
    const failed = testResults.filter(({ numFailingTests, testExecError }) => numFailingTests > 0 || testExecError);
    if (failed.length === 0) return;
    const commands = failed.map((result) => `  ${this.commandFor(result)}\n`);
    process.stderr.write(`\nTo repeat what failed, with the same seed:\n${commands.join('')}`);
  }

  commandFor({ testFilePath, displayName }) {
    const path = testFilePath.slice(this.rootDir.length + 1);
    const command = COMMANDS[displayName?.name] ?? 'npm run jest --';
    return `${command} --seed=${this.seed} --testPathPatterns ${path}`;
  }
}
