/** Before `npm pack` and `npm publish` of the project itself, which is not what is published. */
console.error('The project itself is not published: npm run package makes dist/npm, the package, and packs it.');
process.exitCode = 1;
