// Follows event streams and sends back each event:
//   node follow.mjs fetch|http CODING URL [CODING URL]...
import { check, open } from './open.mjs';

async function follow(how, coding, url) {
	let rest = '';
	let last = '';
	await open[how](url + '/events', coding, async (text) => {
		const blocks = (rest + text).split('\n\n');
		rest = blocks.pop();
		for (const block of blocks) {
			last = block.replace(/^data: /, '');
			if (last === 'end') continue;
			const response = await fetch(url + '/ack', { method: 'POST', body: last });
			if (!response.ok) throw new Error(await response.text());
		}
	});
	check(last, 'end');
}

const [how, ...streams] = process.argv.slice(2);
for (let i = 0; i < streams.length; i += 2) await follow(how, streams[i], streams[i + 1]);
