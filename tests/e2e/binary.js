// SPDX-License-Identifier: Apache-2.0
// A client that is neither libpq nor made with it, in the standard library of node alone: it speaks
// the extended protocol with binary results, everything in one segment, as node drivers do.
// usage: node binary.js HOST PORT USER DATABASE SQL…   prints one line of JSON per row, or the error
'use strict';
const net = require('net');

const [host, port, user, database, ...queries] = process.argv.slice(2);
const socket = net.connect(Number(port), host);
let input = Buffer.alloc(0), types = [], ready = 0, failed = false;

const cstr = (s) => Buffer.concat([Buffer.from(s), Buffer.from([0])]);
const be = (n, bytes) => { const b = Buffer.alloc(bytes); b.writeIntBE(n, 0, bytes); return b; };
function message(type, ...parts) {
	const body = Buffer.concat(parts);
	return Buffer.concat([Buffer.from(type), be(body.length + 4, 4), body]);
}
function request(sql) {
	return Buffer.concat([
		message('P', cstr(''), cstr(sql), be(0, 2)),
		message('B', cstr(''), cstr(''), be(0, 2), be(0, 2), be(1, 2), be(1, 2)), // all results binary
		message('D', Buffer.from('P'), cstr('')),
		message('E', cstr(''), be(0, 4)),
		message('S')]);
}
function columns(body) {
	const list = [];
	for (let at = 2, n = body.readInt16BE(0); n > 0; n--) {
		const end = body.indexOf(0, at);
		list.push(body.readInt32BE(end + 7));
		at = end + 19;
	}
	return list;
}
function decode(type, value) {
	if (type === 23) return value.length === 4 ? value.readInt32BE(0) : `bad int4 of ${value.length}`;
	return value.toString('utf8');
}
function row(body) {
	const values = [];
	for (let i = 0, at = 2, n = body.readInt16BE(0); i < n; i++) {
		const len = body.readInt32BE(at);
		at += 4;
		values.push(len < 0 ? null : decode(types[i], body.subarray(at, at + len)));
		at += Math.max(len, 0);
	}
	return values;
}
function field(body, code) {
	for (let at = 0; body[at]; ) {
		const end = body.indexOf(0, at + 1);
		if (String.fromCharCode(body[at]) === code) return body.toString('utf8', at + 1, end);
		at = end + 1;
	}
	return '';
}
function handle(type, body) {
	if (type === 'T') types = columns(body);
	if (type === 'D') console.log(JSON.stringify(row(body)));
	if (type === 'N') console.log(`NOTICE ${field(body, 'M')}`);
	if (type === 'E') { failed = true; console.log(`ERROR ${field(body, 'C')} ${field(body, 'M')}`); }
	if (type === 'Z' && ready++ === 0) socket.write(Buffer.concat(queries.map(request)));
	if (type === 'Z' && ready > queries.length) socket.end(message('X'));
}

const startup = Buffer.concat([be(196608, 4), cstr('user'), cstr(user), cstr('database'), cstr(database), Buffer.from([0])]);
socket.on('connect', () => socket.write(Buffer.concat([be(startup.length + 4, 4), startup])));
socket.on('data', (chunk) => {
	input = Buffer.concat([input, chunk]);
	while (input.length >= 5 && input.length > input.readInt32BE(1)) {
		const len = input.readInt32BE(1);
		handle(String.fromCharCode(input[0]), input.subarray(5, len + 1));
		input = input.subarray(len + 1);
	}
});
socket.on('error', (e) => { console.log(`SOCKET ${e.code}`); process.exit(2); });
socket.on('close', () => process.exit(ready > queries.length ? Number(failed) : 2));
