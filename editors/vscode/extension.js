// extension.js - VS Code starts `gospect dap`; everything else the Debug Adapter Protocol does.
'use strict';

const vscode = require('vscode');
const { execFile } = require('child_process');

function setting(name) {
    return vscode.workspace.getConfiguration('gospect').get(name);
}

// The Go processes of this machine, as `gospect ps` lists them.
function processes() {
    return new Promise((resolve, reject) => {
        execFile(setting('path'), ['ps', '--json'], { maxBuffer: 64 << 20 }, (error, out, err) => {
            if (error && !out) {
                reject(new Error(err || error.message));
            } else {
                resolve(JSON.parse(out).processes || []);
            }
        });
    });
}

async function pickGoProcess() {
    const items = (await processes()).map((p) => ({
        label: p.name, description: String(p.pid), detail: `${p.goroutines ?? '?'} goroutines, ${p.go_version}`,
    }));
    const chosen = await vscode.window.showQuickPick(items, { placeHolder: 'The Go process to attach to', matchOnDescription: true });
    return chosen && chosen.description;
}

// All goroutines of the session with their stacks, in a document, while the program runs or stands.
async function goroutines() {
    const session = vscode.debug.activeDebugSession;
    if (!session || session.type !== 'gospect') {
        return;
    }
    const all = await session.customRequest('goroutinesSnapshot', { includeStacks: true });
    const text = all.goroutines.map((g) => [g.name, ...g.stack.map((f) => `\t${f.function}\n\t\t${f.file}:${f.line}`)].join('\n'));
    const content = `${all.total} goroutines; the program stood still for ${(all.pause_ns / 1e6).toFixed(1)} ms\n\n${text.join('\n\n')}\n`;
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content }));
}

// A launch without settings (F5 in a Go file) debugs the package of that file.
const settings = {
    resolveDebugConfiguration(folder, config) {
        const file = vscode.window.activeTextEditor?.document;
        if (!config.type && !config.request && file?.languageId === 'go') {
            return { type: 'gospect', request: 'launch', name: 'Debug this package', mode: 'debug', program: '${fileDirname}' };
        }
        return config;
    },
};

const adapter = {
    createDebugAdapterDescriptor() {
        const log = setting('log');
        return new vscode.DebugAdapterExecutable(setting('path'), log ? ['dap', '--log', log] : ['dap']);
    },
};

function activate(context) {
    context.subscriptions.push(
        vscode.commands.registerCommand('gospect.pickGoProcess', pickGoProcess),
        vscode.commands.registerCommand('gospect.goroutines', goroutines),
        vscode.debug.registerDebugConfigurationProvider('gospect', settings),
        vscode.debug.registerDebugAdapterDescriptorFactory('gospect', adapter),
    );
}

module.exports = { activate };
