// open[WAY](URL, CODING, GOT) calls got with each piece of a body, decoded to text.
import http from 'node:http';
import zlib from 'node:zlib';
import { pipeline } from 'node:stream/promises';

const decoders = {
	gzip: zlib.createGunzip,
	br: zlib.createBrotliDecompress,
	zstd: zlib.createZstdDecompress,
};

export const check = (got, want) => {
	if (got !== want) throw new Error(`got ${got}, not ${want}`);
};

export const open = {
	async fetch(url, coding, got) {
		const response = await fetch(url, { headers: { 'accept-encoding': coding } });
		check(response.headers.get('content-encoding'), coding);
		for await (const text of response.body.pipeThrough(new TextDecoderStream())) await got(text);
	},
	async http(url, coding, got) {
		const response = await new Promise((resolve, reject) => {
			http.get(url, { headers: { 'accept-encoding': coding } }, resolve).on('error', reject);
		});
		check(response.headers['content-encoding'], coding);
		await pipeline(response, decoders[coding](), async (pieces) => {
			pieces.setEncoding('utf8');
			for await (const text of pieces) await got(text);
		});
	},
};
