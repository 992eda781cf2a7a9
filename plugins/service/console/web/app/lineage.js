// SPDX-License-Identifier: Apache-2.0
// Where data comes from and goes to: the datasets that lineage knows, and the graph of one of them or
// of one of its columns.
import { html, useMemo, useState } from '../lib/preact.js';
import { Graph } from './graph.js';
import { Class, Fetched, Name, Table, count, datasetLink, foldShard, pipelineLink, time, useData } from './ui.js';

const NODES_MAX = 250; // drawn at once
const EDGES_MAX = 1000;
const STEPS = [1, 2, 3];

export function Lineage({ parts }) {
	return parts[0] ? html`<${Dataset} key=${parts.join('\n')} name=${parts[0]} column=${parts[1]} />` : html`<${Datasets} />`;
}

// Of a path its last folders: the ones before are the same for all.
function shortName(name) {
	return name.startsWith('/') ? `…/${name.split('/').slice(-2).join('/')}` : name;
}

// Monthly shards of one table as one row, that of the newest.
function fold(datasets) {
	const tables = new Map();
	for (const d of datasets) {
		const key = `${d.namespace}\n${foldShard(d.name)}`;
		const before = tables.get(key);
		tables.set(key, { ...d, shards: (before ? before.shards : 0) + 1, shown: foldShard(d.name) });
	}
	return [...tables.values()];
}

function Datasets() {
	const of = useData('api/v1/datasets', {}, 20);
	const [wanted, setWanted] = useState('');
	const [shards, setShards] = useState(false);
	return html`<h1 tabindex="-1">Lineage</h1>
		<${Fetched} of=${of} what="the list of datasets">${(data) => {
		const all = shards ? data.map((d) => ({ ...d, shards: 1, shown: d.name })) : fold(data);
		const rows = all.filter((d) => `${d.namespace} ${d.name}`.toLowerCase().includes(wanted.toLowerCase()));
		return html`<section class="panel" aria-label="Datasets">
			<div class="row end" role="search"><label>Find a dataset<input type="search" value=${wanted} onInput=${(e) => setWanted(e.target.value)} /></label>
				<button aria-pressed=${shards} onClick=${() => setShards(!shards)}>Every shard</button>
				<span class="muted small" role="status">${count(rows.length)} of ${count(all.length)}</span></div>
			<${Table} caption="Datasets that lineage knows" rows=${rows} keyOf=${(d) => `${d.namespace} ${d.name}`}
				empty=${data.length ? 'None is like that.' : 'Nothing is known yet: lineage is recorded when a pipeline runs.'} columns=${[
					{ name: 'Dataset', head: true, cell: (d) => html`<a href=${datasetLink(d.name)} title=${d.name}><${Name} of=${shortName(d.shown)} /></a>${d.shards > 1 ? html` <span class="small muted">${d.shards} shards</span>` : null}` },
					{ name: 'In', wide: true, cell: (d) => html`<span class="small muted code">${d.namespace || '–'}</span>` },
					{ name: 'Columns', number: true, cell: (d) => count(d.columns) },
					{ name: 'Highest class', cell: (d) => (d.class ? html`<${Class} name=${d.class} />` : '–') },
					{ name: 'Is', whole: true, cell: (d) => [d.read ? 'read' : '', d.written ? 'written' : ''].filter(Boolean).join(' and ') },
					{ name: 'Recorded', whole: true, cell: (d) => time(d.recorded) },
				]} />
		</section>`;
	}}<//>`;
}

// Shards of one table are one.
function keyOf(side, columns) {
	return `${side.namespace}\n${foldShard(side.name)}${columns ? `\n${side.column}` : ''}`;
}

function isStart(side, name, column) {
	return (side.name === name || side.name.endsWith(`.${name}`)) && (!column || side.column === column);
}

// Edges between columns, as they are or between their datasets; several between the same two are one.
function build(edges, name, column, columns) {
	const nodes = new Map();
	const found = new Map();
	const add = (side) => {
		const id = keyOf(side, columns);
		if (!nodes.has(id)) {
			nodes.set(id, {
				id,
				name: columns && side.column ? side.column : shortName(foldShard(side.name)),
				lines: [columns ? shortName(foldShard(side.name)) : side.namespace || 'of this platform'],
				tone: isStart(side, name, column) ? 'start' : '',
				href: datasetLink(side.name, columns ? side.column : ''),
			});
		}
		return id;
	};
	for (const edge of edges) {
		const key = `${keyOf(edge.from, columns)}\n\n${keyOf(edge.to, columns)}`;
		const influence = edge.kind === 'influence';
		const known = found.get(key);
		if (!known) {
			found.set(key, { edge, from: add(edge.from), to: add(edge.to), dashed: influence, pipelines: new Set([edge.pipeline]), kinds: new Set([edge.kind]), steps: edge.distance });
		} else {
			known.dashed = known.dashed && influence;
			known.pipelines.add(edge.pipeline);
			known.kinds.add(edge.kind);
			known.steps = Math.min(known.steps, edge.distance);
		}
	}
	const drawn = [...found.values()].filter((e) => e.from !== e.to);
	for (const one of drawn) {
		one.title = `pipeline ${[...one.pipelines].join(', ')}: ${[...one.kinds].join(', ')}`;
	}
	return { nodes: [...nodes.values()], edges: drawn };
}

const joined = (list, one) => list.map((item, i) => html`${i ? ', ' : ''}${one(item)}`);

const edgeColumns = (columns) => {
	const side = (s) => html`<a href=${datasetLink(s.name, columns ? s.column : '')} title=${s.name}><${Name} of=${`${shortName(foldShard(s.name))}${columns && s.column ? `.${s.column}` : ''}`} /></a>`;
	return [
		{ name: 'From', head: true, cell: (e) => side(e.edge.from) },
		{ name: 'To', wide: true, cell: (e) => side(e.edge.to) },
		{ name: 'How', cell: (e) => [...e.kinds].sort().join(', ') },
		...(columns ? [{ name: 'Class', cell: (e) => html`<${Class} name=${e.edge.class} />` }] : []),
		{ name: 'Pipeline', cell: (e) => joined([...e.pipelines], (p) => (p ? html`<a href=${pipelineLink(p)}><${Name} of=${p} /></a>` : 'a service')) },
		{ name: 'Steps away', number: true, cell: (e) => e.steps },
	];
};

function Direction({ title, edges, columns }) {
	const rows = [...edges].sort((a, b) => a.steps - b.steps);
	return html`<h2>${title}</h2>
		<${Table} caption=${title} rows=${rows} size=${50} keyOf=${(e) => `${e.from} ${e.to}`} columns=${edgeColumns(columns)} empty="Nothing that is known." />`;
}

function columnsOf(edges, name) {
	const own = new Set();
	for (const side of edges.flatMap((e) => [e.from, e.to])) {
		if (side.column && isStart(side, name, '')) {
			own.add(side.column);
		}
	}
	return [...own].sort();
}

function View({ data, name, column }) {
	const [asColumns, setAsColumns] = useState(false);
	const [influences, setInfluences] = useState(false);
	const [steps, setSteps] = useState(0);
	const edges = useMemo(() => JSON.parse(data), [data]);
	const columns = Boolean(column) || asColumns;
	const wanted = useMemo(() => edges.filter((e) => (influences || e.kind !== 'influence') && (!steps || e.distance <= steps)), [edges, influences, steps]);
	const graph = useMemo(() => build(wanted, name, column, columns), [wanted, columns]);
	const up = useMemo(() => build(wanted.filter((e) => e.upstream), name, column, columns).edges, [wanted, columns]);
	const down = useMemo(() => build(wanted.filter((e) => !e.upstream), name, column, columns).edges, [wanted, columns]);
	const hidden = !influences && edges.some((e) => e.kind === 'influence');
	return html`
		<section class="panel" aria-labelledby="h-graph">
			<div class="head"><h2 id="h-graph">${columns ? 'Columns' : 'Tables'}</h2><div class="row end">
				<label>Steps away<select value=${steps} onChange=${(e) => setSteps(Number(e.target.value))}>
					<option value="0">all</option>${STEPS.map((n) => html`<option value=${n}>at most ${n}</option>`)}</select></label>
				<button aria-pressed=${influences} onClick=${() => setInfluences(!influences)}>Filters and joins</button>
				${column ? null : html`<button aria-pressed=${asColumns} onClick=${() => setAsColumns(!asColumns)}>Show columns</button>`}</div></div>
			${graph.nodes.length === 0
				? html`<p class="muted">${edges.length === 0 ? 'Nothing is known of it: lineage is recorded when a pipeline runs.' : 'No values flow here within these steps.'}</p>`
				: graph.nodes.length > NODES_MAX || graph.edges.length > EDGES_MAX
					? html`<p class="note-box">${count(graph.nodes.length)} with ${count(graph.edges.length)} ways between them are too many to draw: choose fewer steps, or one column below.</p>`
					: html`<${Graph} label=${`Lineage of ${name}`} nodes=${graph.nodes} edges=${graph.edges} />`}
			${hidden ? html`<p class="small muted">Columns that only a filter or a join looks at are left out.</p>` : null}
			${column ? null : html`<p class="small">Columns: ${joined(columnsOf(edges, name), (c) => html`<a href=${datasetLink(name, c)}>${c}</a>`)}</p>`}
		</section>
		<section class="panel" aria-label="Edges">
			<${Direction} title="Comes from" edges=${up} columns=${columns} />
			<${Direction} title="Goes to" edges=${down} columns=${columns} />
		</section>`;
}

function Dataset({ name, column }) {
	const of = useData('api/v1/lineage', { table: name, column, format: 'json' });
	return html`<p><a href="#/lineage">All datasets</a>${column ? html` · <a href=${datasetLink(name)}>${shortName(name)}</a>` : null}</p>
		<h1 tabindex="-1">${column ? `${shortName(name)}.${column}` : shortName(name)}</h1>
		<${Fetched} of=${of} what="lineage">${(data) => html`<${View} data=${data} name=${name} column=${column} />`}<//>`;
}
