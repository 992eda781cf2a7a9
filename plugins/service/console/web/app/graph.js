// SPDX-License-Identifier: Apache-2.0
// A directed graph: laid out by dagre, drawn as SVG. Each page puts a table of the same beside it.
import { html, useEffect, useMemo, useRef } from '../lib/preact.js';

const CHARS = 30;
const own = (id) => `:${id}`; // dagre keeps nodes in plain objects, and "constructor" is a name, too
const context = document.createElement('canvas').getContext('2d');

function widthOf(text, bold) {
	context.font = `${bold ? '600 13px' : '11.5px'} ${getComputedStyle(document.documentElement).fontFamily}`;
	return context.measureText(text).width;
}

function cut(text) {
	return text.length <= CHARS ? text : `${text.slice(0, CHARS - 13)}…${text.slice(-12)}`;
}

function layOut(nodes, edges) {
	const graph = new window.dagre.graphlib.Graph({ multigraph: true });
	graph.setGraph({ rankdir: 'LR', nodesep: 18, ranksep: 56, marginx: 12, marginy: 12 });
	graph.setDefaultEdgeLabel(() => ({}));
	for (const node of nodes) {
		const longest = Math.max(widthOf(cut(node.name), true), ...node.lines.map((text) => widthOf(cut(text), false)));
		graph.setNode(own(node.id), { width: Math.max(110, Math.ceil(longest) + 28), height: 30 + node.lines.length * 17 + (node.fill === undefined ? 0 : 12) });
	}
	edges.forEach((edge, i) => graph.setEdge(own(edge.from), own(edge.to), {}, String(i)));
	window.dagre.layout(graph);
	return graph;
}

function path(points) {
	const [first, ...rest] = points;
	let text = `M${first.x},${first.y}`;
	for (let i = 0; i + 1 < rest.length; i++) {
		const middle = { x: (rest[i].x + rest[i + 1].x) / 2, y: (rest[i].y + rest[i + 1].y) / 2 };
		text += ` Q${rest[i].x},${rest[i].y} ${middle.x},${middle.y}`;
	}
	const last = rest[rest.length - 1];
	return `${text} L${last.x},${last.y}`;
}

function Node({ node, place }) {
	const { x, y, width, height } = place;
	const left = 14;
	const inside = html`
		<title>${[node.name, ...node.lines].join(', ')}</title>
		<rect class=${`box ${node.tone || ''}`} width=${width} height=${height} rx="7" />
		<text class="name" x=${left} y="20">${cut(node.name)}</text>
		${node.lines.map((line, i) => html`<text class="minor" x=${left} y=${37 + i * 17}>${cut(line)}</text>`)}
		${node.fill === undefined ? null : html`
			<rect class="fill-back" x=${left} y=${height - 14} width=${width - 2 * left} height="6" rx="3" />
			<rect class=${`fill ${node.fill > 0.9 ? 'bad' : node.fill > 0.6 ? 'warn' : ''}`} x=${left} y=${height - 14}
				width=${Math.max(0, Math.min(1, node.fill)) * (width - 2 * left)} height="6" rx="3" />`}`;
	const at = `translate(${x - width / 2},${y - height / 2})`;
	return node.href
		? html`<a href=${node.href} transform=${at} aria-label=${[node.name, ...node.lines].join(', ')}>${inside}</a>`
		: html`<g transform=${at}>${inside}</g>`;
}

// nodes: [{id, name, lines, tone, fill (0 to 1), href}]; edges: [{from, to, dashed, title}].
export function Graph({ label, nodes, edges }) {
	const shape = JSON.stringify([nodes.map((n) => [n.id, n.name, n.lines.length, n.href ? 1 : 0]), edges]);
	const graph = useMemo(() => layOut(nodes, edges), [shape]);
	const { width, height } = graph.graph();
	const place = useRef();
	const start = nodes.find((node) => node.tone === 'start');
	useEffect(() => {
		if (start) { // where it is wider than the page, what it is about comes first
			const at = graph.node(own(start.id));
			place.current.scrollTo(at.x - place.current.clientWidth / 2, at.y - place.current.clientHeight / 2);
		}
	}, [graph]);
	const links = nodes.some((node) => node.href);
	return html`<div class="graph" tabindex="0" role="group" ref=${place} aria-label=${`${label}; the table beside it says the same`}>
		<svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role=${links ? 'group' : 'img'} aria-label=${label}>
			<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
				<path class="arrow" d="M0,0 L8,4 L0,8 z" /></marker></defs>
			${edges.map((edge, i) => html`<path class=${`edge ${edge.dashed ? 'dashed' : ''}`} marker-end="url(#arrow)"
				d=${path(graph.edge(own(edge.from), own(edge.to), String(i)).points)}><title>${edge.title || ''}</title></path>`)}
			${nodes.map((node) => html`<${Node} key=${node.id} node=${node} place=${graph.node(own(node.id))} />`)}
		</svg>
	</div>`;
}
