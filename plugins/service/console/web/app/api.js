// SPDX-License-Identifier: Apache-2.0
// What the page knows of the daemon: calls with the token, and the live status. The status comes by
// server-sent events, read with fetch() so that the token can be sent; while they are away it is
// polled. The hour before the page was opened comes from the daemon. Listeners are told of every
// change.

const SAMPLES = 180; // of the live status, one a second
const WINDOW = 3; // seconds that a rate is taken over
const HOUR = 3600; // seconds of history
const POLL_MS = 2000;
const RETRY_MAX_MS = 15000;
const SILENCE_MS = 10000; // a stream without an event is not one
const PATIENCE_MS = 20000; // for the head of an answer
const QUERY_PATIENCE_MS = 130000; // the console's own is less

export const live = {
	link: 'connecting', // live, polling, offline, locked
	since: Date.now(), // of the link
	status: null,
	samples: [], // {at, pipelines: {NAME: {in, out, stages: {ID: {in, out}}}}}
	past: null, // {step, times, pipelines: {NAME: {in, out, lag}}}: an hour in steps; null: not known yet
};

// Names come from configurations: "constructor" is one.
const dictionary = () => Object.create(null);

// What the browser keeps, or the page alone where the browser may not.
function keeper(of) {
	const own = new Map();
	const tried = (use, otherwise) => {
		try {
			return use(window[of]);
		} catch {
			return otherwise();
		}
	};
	return {
		get: (key) => tried((kept) => kept.getItem(key), () => (own.has(key) ? own.get(key) : null)),
		set: (key, value) => tried((kept) => kept.setItem(key, value), () => own.set(key, value)),
		remove: (key) => tried((kept) => kept.removeItem(key), () => own.delete(key)),
	};
}

export const tab = keeper('sessionStorage');
export const browser = keeper('localStorage');

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

// Fit for a header.
export const isPlain = (secret) => /^[\x21-\x7e]+$/.test(secret);

function headers(more) {
	const token = tab.get('token');
	return { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...more };
}

async function ask(path, { patience = PATIENCE_MS, signal, ...options }) {
	const late = new AbortController();
	const timer = setTimeout(() => late.abort(), patience);
	let answer;
	try {
		answer = await fetch(path, { cache: 'no-store', signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal, ...options });
	} catch (error) {
		if (signal && signal.aborted) {
			throw error;
		}
		throw new Failure(0, { message: late.signal.aborted ? `the daemon did not answer within ${patience / 1000} s` : 'the daemon cannot be reached' });
	} finally {
		clearTimeout(timer);
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
	const key = tab.get('key');
	if (key && !isPlain(key)) {
		throw new Failure(400, { code: 'console.bad_key', message: 'the key of the API is not one', hint: 'Copy it whole.' });
	}
	const answer = await ask('api/v1/query', {
		method: 'POST',
		headers: headers({ 'Content-Type': 'application/json', ...(key ? { 'Dripline-Key': key } : {}) }),
		body: JSON.stringify({ sql, limit }),
		patience: QUERY_PATIENCE_MS,
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
	const sample = { at: Date.parse(status.now) / 1000, pipelines: dictionary() };
	for (const p of status.pipelines) {
		const stages = dictionary();
		for (const s of p.stages) {
			stages[s.id] = { in: s.rows_in, out: s.rows_out };
		}
		sample.pipelines[p.name] = { in: p.rows_in, out: p.rows_out, lag: p.lag_seconds, stages };
	}
	const last = live.samples[live.samples.length - 1];
	if (last && (sample.at < last.at || status.started !== live.status.started)) {
		live.samples = []; // another process, or its clock was set back
	}
	if (!last || sample.at > last.at || live.samples.length === 0) {
		live.samples.push(sample);
	}
	if (live.samples.length > SAMPLES) {
		live.samples.shift();
	}
	live.status = status;
	extend();
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

function before(index, seconds = WINDOW) {
	let i = index;
	while (i > 0 && live.samples[index].at - live.samples[i].at < seconds) {
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

// ---- the last hour

function noPast() {
	return { step: 10, times: [], pipelines: dictionary() };
}

const FIGURES = { in: 'rows_in_per_second', out: 'rows_out_per_second', lag: 'lag_seconds' };

// What the daemon has, after what the page knew before that: of a daemon that ran before.
export function join(known, told) {
	const from = told.times.length ? told.times[0] : Infinity;
	const end = [...(known ? known.times : []), ...told.times].pop() || 0;
	const kept = known ? known.times.filter((at) => at < from && at > end - HOUR).length : 0;
	const skip = known ? known.times.filter((at) => at <= end - HOUR).length : 0;
	const past = { step: told.step_seconds, times: [...(known ? known.times.slice(skip, skip + kept) : []), ...told.times], pipelines: dictionary() };
	for (const p of told.pipelines) {
		const old = known && known.pipelines[p.name];
		past.pipelines[p.name] = dictionary();
		for (const [figure, name] of Object.entries(FIGURES)) {
			past.pipelines[p.name][figure] = [...(old ? old[figure].slice(skip, skip + kept) : new Array(kept).fill(null)), ...p[name]];
		}
	}
	return past;
}

async function loadPast(signal) {
	try {
		live.past = join(live.past, await get('api/v1/history', {}, signal));
	} catch {
		live.past = live.past || noPast(); // charts begin now, then
	}
	tell();
}

// Goes on with the history in its own steps, out of the live samples.
function extend() {
	const { past, samples } = live;
	const last = samples.length - 1;
	const end = past && past.times.length ? past.times[past.times.length - 1] : -Infinity;
	if (!past || samples[last].at - end < past.step) {
		return;
	}
	const now = samples[last];
	const then = before(last, past.step);
	past.times.push(now.at);
	for (const name of Object.keys(now.pipelines)) {
		const p = past.pipelines[name] || (past.pipelines[name] = { in: [], out: [], lag: [] });
		const values = { lag: now.pipelines[name].lag };
		for (const side of ['in', 'out']) {
			values[side] = difference(now, then, pickPipeline(name, side));
		}
		for (const figure of Object.keys(FIGURES)) {
			while (p[figure].length < past.times.length - 1) {
				p[figure].push(null); // it is new
			}
			p[figure].push(values[figure]);
		}
	}
	while (past.times[0] <= now.at - HOUR) {
		past.times.shift();
		for (const p of Object.values(past.pipelines)) {
			Object.values(p).forEach((list) => list.shift());
		}
	}
}

// {times, values: {FIGURE: [...]}} of one pipeline, or the sums of all; null is not known.
export function pastOf(name, figures) {
	const { times, pipelines } = live.past || noPast();
	const of = name === undefined ? Object.values(pipelines) : [pipelines[name]].filter(Boolean);
	const at = (figure, i) => of.reduce((sum, p) => (p[figure][i] === null || p[figure][i] === undefined ? sum : (sum || 0) + p[figure][i]), null);
	return { times, values: figures.map((figure) => times.map((_, i) => at(figure, i))) };
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
	const end = () => reader.cancel().catch(() => {});
	let timer = setTimeout(end, SILENCE_MS); // a network or a daemon that stands still says nothing
	let rest = '';
	try {
		setLink('live');
		loadPast(signal);
		while (mine()) {
			const { value, done } = await reader.read();
			if (done) {
				return;
			}
			clearTimeout(timer);
			timer = setTimeout(end, SILENCE_MS);
			rest = takeEvents(rest + value);
		}
	} finally {
		clearTimeout(timer);
		end();
	}
}

async function poll(signal, until, mine) {
	do {
		try {
			take(await (await ask('api/v1/status', { headers: headers(), signal, patience: SILENCE_MS / 2 })).json());
			if (!live.past) {
				loadPast(signal);
			}
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
		if (mine() && live.link === 'live') {
			setLink('connecting');
		}
		wait = Date.now() - begun > RETRY_MAX_MS ? 1000 : Math.min(wait * 2, RETRY_MAX_MS);
		if (mine() && live.link !== 'locked') {
			await poll(signal, Date.now() + wait, mine);
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
	tab.set('token', token);
	connect();
}
