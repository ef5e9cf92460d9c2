// session.js - sessions with gospect dap by a client that others wrote: VS Code's own, for tests of debug adapters.
//
//     node session.js GOSPECT PROGRAM SOURCE CASE LINE
//
// CASE is a function below; each fails by an exception, which ends the process with 1.  The client
// (@vscode/debugadapter-testsupport) lies in $GOSPECT_NODE_MODULES (tools/node-modules).
'use strict';

const assert = require('assert');
const path = require('path');
const { DebugClient } = require(path.join(process.env.GOSPECT_NODE_MODULES, '@vscode/debugadapter-testsupport'));

const [gospect, program, source, what, line] = process.argv.slice(2);

// DebugClient starts `RUNTIME EXECUTABLE`: gospect dap.
const client = () => new DebugClient(gospect, 'dap', 'gospect', undefined, true);

const cases = {
    // Its own sequence for "stops at the breakpoint that was set", and what follows one by one.
    async breakpoint(dc) {
        await dc.hitBreakpoint({ program, args: ['look', '3'] }, { path: source, line: Number(line) });
        const { body: { threads } } = await dc.threadsRequest();
        assert(threads.some((t) => t.id === 1 && t.name.includes('main.look')));
        const frame = (await dc.stackTraceRequest({ threadId: 1 })).body.stackFrames[0];
        assert.strictEqual(frame.name, 'main.look');
        const scope = (await dc.scopesRequest({ frameId: frame.id })).body.scopes[0];
        const list = (await dc.variablesRequest({ variablesReference: scope.variablesReference })).body.variables;
        assert.strictEqual(list.find((v) => v.name === 'n').value, '3');
        const set = await dc.setVariableRequest({ variablesReference: scope.variablesReference, name: 'n', value: '4' });
        assert.strictEqual(set.body.value, '4');
        const sum = await dc.evaluateRequest({ expression: 'n + p.Y', frameId: frame.id, context: 'watch' });
        assert.strictEqual(sum.body.result, '6');
        await Promise.all([dc.nextRequest({ threadId: 1 }), dc.assertStoppedLocation('step', { path: source, line: Number(line) + 1 })]);
        await Promise.all([dc.stepOutRequest({ threadId: 1 }), dc.waitForEvent('stopped')]);
        await Promise.all([dc.continueRequest({ threadId: 1 }), dc.waitForEvent('stopped')]);
        await dc.setBreakpointsRequest({ source: { path: source }, breakpoints: [] });
        await Promise.all([dc.continueRequest({ threadId: 1 }), dc.waitForEvent('terminated')]);
    },

    async entry(dc) {
        await Promise.all([
            dc.configurationSequence(),
            dc.launch({ program, args: ['look'], stopOnEntry: true }),
            dc.assertStoppedLocation('entry', { path: source }),
        ]);
        await Promise.all([dc.continueRequest({ threadId: 1 }), dc.waitForEvent('terminated')]);
    },

    async condition(dc) {
        const breakpoints = [{ line: Number(line), condition: 'i == 33' }];
        await Promise.all([
            dc.waitForEvent('initialized')
                .then(() => dc.setBreakpointsRequest({ source: { path: source }, breakpoints }))
                .then(() => dc.configurationDoneRequest()),
            dc.launch({ program, args: ['loop', '40'] }),
            dc.assertStoppedLocation('breakpoint', { path: source, line: Number(line) }),
        ]);
        const frame = (await dc.stackTraceRequest({ threadId: 1 })).body.stackFrames[0];
        assert.strictEqual((await dc.evaluateRequest({ expression: 'i', frameId: frame.id })).body.result, '33');
    },

    async output(dc) {
        await Promise.all([
            dc.configurationSequence(),
            dc.launch({ program, args: ['look'] }),
            dc.assertOutput('stdout', 'look '),
            dc.waitForEvent('terminated'),
        ]);
    },

    async pause(dc) {
        await Promise.all([dc.configurationSequence(), dc.launch({ program, args: ['serve'] })]);
        await Promise.all([dc.pauseRequest({ threadId: 1 }), dc.waitForEvent('stopped')]);
        await Promise.all([dc.terminateRequest(), dc.waitForEvent('terminated')]);
    },

    // What it is told when something is wrong.
    async refused(dc) {
        await dc.initializeRequest();
        await assert.rejects(dc.launchRequest({ program: '/nonexistent' }), /nonexistent/);
        await assert.rejects(dc.send('nonsense'), /knows no request/);
    },
};

async function main() {
    const dc = client();
    dc.defaultTimeout = 60000; // its own of 5 s says more of the machine than of us
    await dc.start();
    try {
        await cases[what](dc);
    } finally {
        await dc.stop();
    }
}

main().then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
});
