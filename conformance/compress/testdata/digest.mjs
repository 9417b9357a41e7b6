// Prints the SHA-256 of each body:
//   node digest.mjs fetch|http CODING URL [CODING URL]...
import { createHash } from 'node:crypto';
import { open } from './open.mjs';

const [how, ...bodies] = process.argv.slice(2);
for (let i = 0; i < bodies.length; i += 2) {
	const hash = createHash('sha256');
	await open[how](bodies[i + 1], bodies[i], (text) => hash.update(text));
	console.log(hash.digest('hex'));
}
