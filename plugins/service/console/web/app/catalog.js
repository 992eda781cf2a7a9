// SPDX-License-Identifier: Apache-2.0
// The tables that the configuration declares: columns, keys, classes, kinds of personal data.
import { html, useState } from '../lib/preact.js';
import { Class, Fetched, Name, Table, count, datasetLink, useData } from './ui.js';

const link = (name) => `#/catalog/${encodeURIComponent(name)}`;

function One({ table }) {
	return html`${table.description ? html`<p>${table.description}</p>` : null}
		${table.grain ? html`<p class="muted">${table.grain}</p>` : null}
		<section class="panel" aria-labelledby="h-columns"><div class="head"><h2 id="h-columns">Columns</h2><a href=${datasetLink(table.name)}>Lineage</a></div>
			<${Table} caption=${`Columns of ${table.name}`} rows=${table.columns} keyOf=${(c) => c.name} columns=${[
				{ name: 'Column', head: true, cell: (c) => html`<a href=${datasetLink(table.name, c.name)}><${Name} of=${c.name} /></a>` },
				{ name: 'Type', whole: true, cell: (c) => html`<code>${c.type}</code>` },
				{ name: 'Key', cell: (c) => (c.key ? html`<span class="badge info">key</span>` : '') },
				{ name: 'Null', whole: true, cell: (c) => (c.nullable ? 'may be' : 'never') },
				{ name: 'Class', cell: (c) => html`<${Class} name=${c.class} />` },
				{ name: 'Personal data', cell: (c) => (c.pii ? html`<span class="badge bad">${c.pii}</span>` : '–') },
				{ name: 'References', cell: (c) => (c.references ? html`<a href=${link(c.references.table)}>${c.references.table}</a>.${c.references.column}` : '') },
				{ name: 'What it is', wide: true, cell: (c) => c.description || '' },
			]} /></section>`;
}

export function Catalog({ parts }) {
	const of = useData('api/v1/catalog', {}, 60);
	const [wanted, setWanted] = useState('');
	const tables = of.data || [];
	if (parts[0]) {
		const one = tables.find((t) => t.name === parts[0]);
		return html`<p><a href="#/catalog">All tables</a></p><h1 tabindex="-1">${parts[0]}</h1>
			<${Fetched} of=${of} what="the catalog">${() => (one ? html`<${One} table=${one} />` : html`<p class="muted" role="status">No such table is declared.</p>`)}<//>`;
	}
	const text = (t) => `${t.name} ${t.description} ${t.columns.map((c) => c.name).join(' ')}`.toLowerCase();
	const rows = tables.filter((t) => text(t).includes(wanted.toLowerCase()));
	const worst = (t) => ['restricted', 'confidential', 'internal', 'public'].find((name) => t.columns.some((c) => c.class === name)) || 'public';
	const pii = (t) => [...new Set(t.columns.map((c) => c.pii).filter(Boolean))];
	return html`<h1 tabindex="-1">Catalog</h1>
		<${Fetched} of=${of} what="the catalog">${() => html`<section class="panel" aria-label="Tables">
			<div class="row end"><label>Find a table or column<input type="search" value=${wanted} onInput=${(e) => setWanted(e.target.value)} /></label>
				<span class="muted small" role="status">${count(rows.length)} of ${count(tables.length)}</span></div>
			<${Table} caption="Tables that are declared" rows=${rows} keyOf=${(t) => t.name} empty="No table is declared below tables: of the configuration." columns=${[
				{ name: 'Table', head: true, cell: (t) => html`<a href=${link(t.name)}><${Name} of=${t.name} /></a>` },
				{ name: 'What it is', wide: true, cell: (t) => t.description || '' },
				{ name: 'Columns', number: true, cell: (t) => count(t.columns.length) },
				{ name: 'Highest class', cell: (t) => html`<${Class} name=${worst(t)} />` },
				{ name: 'Personal data', cell: (t) => (pii(t).length ? pii(t).map((kind) => html`<span class="badge bad">${kind}</span> `) : '–') },
			]} /></section>`}<//>`;
}
