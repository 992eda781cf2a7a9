// SPDX-License-Identifier: Apache-2.0
// What the page knows of the daemon: calls with the token, and the live status. The status comes by
// server-sent events, read with fetch() so that the token can be sent; while they are away it is
// polled. Listeners are told of every change.

const HISTORY = 180; // samples, one a second
const WINDOW = 3; // seconds that a rate is taken over
const POLL_MS = 2000;
const RETRY_MAX_MS = 15000;

export const live = {
	link: 'connecting', // live, polling, offline, locked
	since: Date.now(), // of the link
	status: null,
	samples: [], // {at, pipelines: {NAME: {in, out, stages: {ID: {in, out}}}}}
};

const listeners = new Set();
let generation = 0; // of the stream; an older one ends
let stream = new AbortController();

export function subscribe(listener) {
	listeners.add(listener);
	return () => listeners.delete(listener);
}

function tell() {
	for (const listener of listeners) {
		listener();
	}
}

function setLink(link) {
	if (live.link !== link) {
		live.link = link;
		live.since = Date.now();
		tell();
	}
}

// ---- calls

export class Failure extends Error {
	constructor(status, body) {
		super((body && (body.message || body.detail)) || `the daemon answered with status ${status}`);
		this.status = status;
		this.code = (body && body.code) || '';
		this.hint = (body && body.hint) || '';
		this.place = (body && body.place) || '';
		this.absent = this.code === 'control.unknown_method' || this.code === 'http.no_such_page';
	}
}

function headers(more) {
	const token = sessionStorage.getItem('token');
	return { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...more };
}

async function ask(path, options) {
	let answer;
	try {
		answer = await fetch(path, { cache: 'no-store', ...options });
	} catch (error) {
		if (error.name === 'AbortError') {
			throw error;
		}
		throw new Failure(0, { message: 'the daemon cannot be reached' });
	}
	if (!answer.ok) {
		let body = null;
		try {
			const told = await answer.json();
			body = told.error || told; // or a problem of RFC 9457
		} catch {
			// not of the daemon: the status says it
		}
		if (answer.status === 401 && path !== 'api/v1/query') {
			setLink('locked');
		}
		throw new Failure(answer.status, body);
	}
	return answer;
}

export function url(path, query) {
	const given = Object.entries(query || {}).filter(([, value]) => value !== undefined && value !== '');
	return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export async function get(path, query, signal) {
	return (await ask(url(path, query), { headers: headers(), signal })).json();
}

// Numbers as they were written: an integer of 64 bits and a decimal are more than JavaScript's numbers.
// Browsers that do not hand over the source give the number that they read.
function exactly(text) {
	return JSON.parse(text, (key, value, context) => (typeof value === 'number' && context && context.source) || value);
}

export async function query(sql, limit, signal) {
	const key = sessionStorage.getItem('key');
	const answer = await ask('api/v1/query', {
		method: 'POST',
		headers: headers({ 'Content-Type': 'application/json', ...(key ? { 'Dripline-Key': key } : {}) }),
		body: JSON.stringify({ sql, limit }),
		signal,
	});
	return exactly(await answer.text());
}

export async function post(path, body) {
	const answer = await ask(path, {
		method: 'POST',
		headers: headers({ 'Content-Type': 'application/json' }),
		body: JSON.stringify(body || {}),
	});
	return answer.json();
}

// ---- the live status

function take(status) {
	const sample = { at: Date.parse(status.now) / 1000, pipelines: {} };
	for (const p of status.pipelines) {
		const stages = {};
		for (const s of p.stages) {
			stages[s.id] = { in: s.rows_in, out: s.rows_out };
		}
		sample.pipelines[p.name] = { in: p.rows_in, out: p.rows_out, stages };
	}
	const last = live.samples[live.samples.length - 1];
	if (last && (sample.at < last.at || status.pid !== live.status.pid)) {
		live.samples = []; // another process, or its clock was set back
	}
	if (!last || sample.at > last.at || live.samples.length === 0) {
		live.samples.push(sample);
	}
	if (live.samples.length > HISTORY) {
		live.samples.shift();
	}
	live.status = status;
	tell();
}

function difference(newer, older, pick) {
	if (!newer || !older || newer.at <= older.at) {
		return null;
	}
	const a = pick(newer);
	const b = pick(older);
	return a === undefined || b === undefined || a < b ? null : (a - b) / (newer.at - older.at);
}

function before(index) {
	let i = index;
	while (i > 0 && live.samples[index].at - live.samples[i].at < WINDOW) {
		i--;
	}
	return live.samples[i];
}

// Rows a second of what `pick` takes out of a sample; null where it is not known.
export function rate(pick) {
	const last = live.samples.length - 1;
	return last < 1 ? null : difference(live.samples[last], before(last), pick);
}

export function rates(pick) {
	return live.samples.map((sample, i) => (i === 0 ? null : difference(sample, before(i), pick)));
}

export const pickPipeline = (name, side) => (s) => s.pipelines[name] && s.pipelines[name][side];
export const pickStage = (name, id, side) => (s) =>
	s.pipelines[name] && s.pipelines[name].stages[id] && s.pipelines[name].stages[id][side];
export const pickAll = (side) => (s) => Object.values(s.pipelines).reduce((sum, p) => sum + p[side], 0);

// ---- the stream

function takeEvents(text) {
	const parts = text.split('\n\n');
	const rest = parts.pop();
	for (const part of parts) {
		const data = part.split('\n').filter((line) => line.startsWith('data: '));
		if (data.length !== 0) {
			take(JSON.parse(data.map((line) => line.slice(6)).join('\n')));
		}
	}
	return rest;
}

async function readStream(signal, mine) {
	const answer = await ask('api/v1/events', { headers: headers({ Accept: 'text/event-stream' }), signal });
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '';
	setLink('live');
	while (mine()) {
		const { value, done } = await reader.read();
		if (done) {
			return;
		}
		rest = takeEvents(rest + value);
	}
	reader.cancel();
}

async function poll(until, mine) {
	do {
		try {
			take(await get('api/v1/status'));
			if (mine() && live.link === 'offline') {
				setLink('connecting'); // it is back: the stream may be, too
				return;
			}
			if (mine()) {
				setLink('polling');
			}
		} catch (error) {
			if (mine() && error.status !== 401) {
				setLink('offline');
			}
		}
		await new Promise((done) => setTimeout(done, Math.min(POLL_MS, Math.max(0, until - Date.now()))));
	} while (mine() && live.link !== 'locked' && Date.now() < until);
}

// Begins, or begins anew with another token.
export async function connect() {
	const me = ++generation;
	stream.abort();
	stream = new AbortController();
	const { signal } = stream;
	const mine = () => me === generation;
	let wait = 1000;
	setLink('connecting');
	while (mine() && live.link !== 'locked') {
		const begun = Date.now();
		try {
			await readStream(signal, mine);
		} catch {
			// polled below, and tried again
		}
		wait = Date.now() - begun > RETRY_MAX_MS ? 1000 : Math.min(wait * 2, RETRY_MAX_MS);
		if (mine() && live.link !== 'locked') {
			await poll(Date.now() + wait, mine);
		}
	}
}

// A page that is kept for the button Back would keep its stream, and soon all connections that a
// browser has for one server.
addEventListener('pagehide', () => {
	generation++;
	stream.abort();
});
addEventListener('pageshow', (event) => {
	if (event.persisted) {
		connect();
	}
});

export function unlock(token) {
	sessionStorage.setItem('token', token);
	connect();
}
