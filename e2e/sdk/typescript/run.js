#!/usr/bin/env node
// Runs what Daytona's own TypeScript SDK can do against one sandbox: see README.md.
// One JSON line per step: {"step","ok","detail"}, or {"step","skipped"} where this version has no such call.
'use strict'

const crypto = require('node:crypto')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')

const stepLimit = 30_000 // ms

const { values: flags } = parseArgs({
  options: {
    version: { type: 'string', default: '0.190.1' },
    'api-url': { type: 'string', default: 'http://127.0.0.1:3000/api' },
    'api-key': { type: 'string', default: 'demo-key' },
    sandbox: { type: 'string' },
    steps: { type: 'string', default: '' }, // only those that begin with one of these, comma-separated
  },
})
if (!flags.sandbox) {
  console.error('usage: run.js --version 0.190.1 --api-url URL --api-key KEY --sandbox ID [--steps fs,execute]')
  process.exit(2)
}

class Skip extends Error {}

function check(condition, seen) {
  if (!condition) throw new Error('got ' + (typeof seen === 'string' ? JSON.stringify(seen) : JSON.stringify(seen) ?? String(seen)))
}

// has skips the step where this version of the SDK lacks the method.
function has(object, method, what) {
  if (typeof object?.[method] !== 'function') throw new Skip(`${what ?? method} is not in ${flags.version}`)
}

// fails wants an error, and returns it.
async function fails(promise) {
  let value
  try {
    value = await promise
  } catch (error) {
    return error
  }
  throw new Error('succeeded with ' + JSON.stringify(value))
}

function statusOf(error) {
  return error.statusCode ?? error.status ?? error.response?.status ?? error.cause?.response?.status
}

// png returns the size of a base64 PNG.
function png(base64) {
  const data = Buffer.from(base64 ?? '', 'base64')
  check(data.subarray(1, 4).toString() === 'PNG', { bytes: data.length, head: data.subarray(0, 8).toString('hex') })
  return { width: data.readUInt32BE(16), height: data.readUInt32BE(20) }
}

// get fetches an address; names below .localhost are this machine, whatever the resolver thinks.
function get(address, headers = {}) {
  const url = new URL(address)
  const host = url.hostname.endsWith('.localhost') ? '127.0.0.1' : url.hostname
  return new Promise((resolve, reject) => {
    const request = http.get(
      { host, port: url.port || 80, path: url.pathname + url.search, headers: { ...headers, Host: url.host }, agent: false },
      (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode))
      },
    )
    request.on('error', reject)
  })
}

// steps are [name, function] in order. Later ones of a group build on earlier ones.
function makeSteps(sandbox) {
  const { process: proc, fs: files, computerUse: computer } = sandbox
  const unique = crypto.randomBytes(4).toString('hex')
  const base = `/data/local/tmp/sdk-${unique}`
  const session = `s-${unique}`
  const spaced = `${base}/a b.txt`
  const strange = `${base}/ü €.txt`
  const big = crypto.randomBytes(5 * 1024 * 1024)
  const asyncCommand = {}
  const ptys = {}

  // openPty makes a PTY whose output is collected.
  async function openPty(name) {
    const pty = { text: '' }
    const decoder = new TextDecoder()
    pty.handle = await proc.createPty({
      id: `${name}-${unique}`,
      cols: 80,
      rows: 24,
      onData: (data) => {
        pty.text += decoder.decode(data, { stream: true })
      },
    })
    await pty.handle.waitForConnection()
    pty.sees = async (text) => {
      const end = Date.now() + 10_000
      while (!pty.text.includes(text)) {
        if (Date.now() > end) throw new Error(`no ${JSON.stringify(text)} in ${JSON.stringify(pty.text)}`)
        await new Promise((r) => setTimeout(r, 20))
      }
    }
    ptys[name] = pty
    return pty
  }
  const opened = (name) => ptys[name] ?? openPty(name)

  return [
    ['execute.ok', async () => {
      const r = await proc.executeCommand('echo hello; echo two words')
      check(r.exitCode === 0 && r.result === 'hello\ntwo words\n', r)
    }],
    ['execute.exit_code', async () => {
      const r = await proc.executeCommand('echo out; echo err >&2; exit 3')
      check(r.exitCode === 3 && r.result.includes('out') && r.result.includes('err'), r)
    }],
    ['execute.cwd', async () => {
      const r = await proc.executeCommand('pwd', '/data/local/tmp')
      check(r.exitCode === 0 && r.result.trim() === '/data/local/tmp', r)
    }],
    ['execute.env', async () => {
      const r = await proc.executeCommand('echo "$A|$B"', undefined, { A: 'one', B: '2' })
      check(r.exitCode === 0 && r.result.trim() === 'one|2', r)
    }],
    ['execute.env_special', async () => {
      const r = await proc.executeCommand('echo "$A|$B"', undefined, { A: 'x  y', B: "q'$(no)" })
      check(r.exitCode === 0 && r.result.trim() === "x  y|q'$(no)", r)
    }],
    ['execute.timeout', async () => {
      const began = Date.now()
      const error = await fails(proc.executeCommand('sleep 20', undefined, undefined, 1))
      check(Date.now() - began < 10_000, `it took ${Date.now() - began} ms: ${error.message}`)
    }],

    ['session.create', () => proc.createSession(session)],
    ['session.exec', async () => {
      const r = await proc.executeSessionCommand(session, { command: 'cd /data/local/tmp; echo out; echo err >&2; V=kept; (exit 3)' })
      check(r.exitCode === 3 && r.cmdId && `${r.output}`.includes('out'), r)
      if (r.stdout !== undefined) check(r.stdout.trim() === 'out' && r.stderr.trim() === 'err', r)
    }],
    ['session.state', async () => {
      const r = await proc.executeSessionCommand(session, { command: 'echo "$PWD $V"' })
      check(`${r.output}`.includes('/data/local/tmp kept'), r)
    }],
    ['session.async', async () => {
      const r = await proc.executeSessionCommand(session, { command: 'read line; echo "got:$line"; echo oops >&2', runAsync: true })
      check(r.cmdId, r)
      asyncCommand.id = r.cmdId
      const command = await proc.getSessionCommand(session, r.cmdId)
      check(command.exitCode === undefined || command.exitCode === null, command)
    }],
    ['session.follow', async () => {
      check(asyncCommand.id, 'no asynchronous command')
      let out = ''
      let err = ''
      const followed = proc.getSessionCommandLogs(session, asyncCommand.id, (c) => { out += c }, (c) => { err += c })
      await proc.sendSessionCommandInput(session, asyncCommand.id, 'typed\n')
      await followed
      check(out.includes('got:typed') && err.includes('oops'), { out, err })
    }],
    ['session.logs', async () => {
      check(asyncCommand.id, 'no asynchronous command')
      const logs = await proc.getSessionCommandLogs(session, asyncCommand.id)
      check(`${logs.output}`.includes('got:typed'), logs)
      const command = await proc.getSessionCommand(session, asyncCommand.id)
      check(command.exitCode === 0, command)
    }],
    ['session.list', async () => {
      const all = await proc.listSessions()
      check(all.some((s) => s.sessionId === session), all)
      const one = await proc.getSession(session)
      check(one.sessionId === session && one.commands.length === 3, one)
    }],
    ['session.delete', async () => {
      await proc.deleteSession(session)
      await fails(proc.getSession(session))
      check(!(await proc.listSessions()).some((s) => s.sessionId === session), 'it is still listed')
    }],

    ['pty.create', async () => { await openPty('one') }],
    ['pty.type', async () => {
      const pty = await opened('one')
      await pty.handle.sendInput('echo $((6*7))-typed\r')
      await pty.sees('42-typed')
    }],
    ['pty.list', async () => {
      const pty = await opened('one')
      const all = await proc.listPtySessions()
      const mine = all.find((p) => p.id === pty.handle.sessionId)
      check(mine?.cols === 80 && mine?.rows === 24, all)
    }],
    ['pty.resize', async () => {
      const pty = await opened('one')
      const info = await pty.handle.resize(100, 30)
      check(info.cols === 100 && info.rows === 30, info)
    }],
    ['pty.exit_code', async () => {
      const pty = await opened('one')
      await pty.handle.sendInput('exit 3\r')
      const result = await pty.handle.wait()
      check(result.exitCode === 3, result)
    }],
    ['pty.kill', async () => {
      const pty = await openPty('two')
      await pty.handle.kill()
      const result = await pty.handle.wait()
      check(result.exitCode === 137, result)
    }],

    ['fs.create_folder', () => files.createFolder(`${base}/sub/deeper`, '755')],
    ['fs.upload_file', () => files.uploadFile(Buffer.from('one needle\ntwo\n'), spaced)],
    ['fs.upload_non_ascii', () => files.uploadFile(Buffer.from('strange'), strange)],
    ['fs.upload_files', async () => {
      const local = path.join(os.tmpdir(), `sdk-${unique}.txt`)
      fs.writeFileSync(local, 'from a file needle\n')
      try {
        await files.uploadFiles([
          { source: Buffer.from('first'), destination: `${base}/new/first.txt` },
          { source: local, destination: `${base}/sub/second.txt` },
        ])
      } finally {
        fs.rmSync(local)
      }
    }],
    ['fs.list_files', async () => {
      const all = await files.listFiles(base)
      check(all.map((f) => f.name).sort().join() === ['a b.txt', 'new', 'sub', 'ü €.txt'].sort().join(), all)
      check(all.find((f) => f.name === 'sub').isDir && all.find((f) => f.name === 'a b.txt').size === 15, all)
    }],
    ['fs.file_details', async () => {
      const f = await files.getFileDetails(strange)
      check(f.name === 'ü €.txt' && f.size === 7 && !f.isDir && /^0[0-7]{3}$/.test(f.permissions), f)
    }],
    ['fs.file_details_missing', async () => {
      check((await files.getFileDetails(base)).isDir, 'its directory is none')
      const error = await fails(files.getFileDetails(`${base}/missing`))
      check(statusOf(error) === 404 || /404|not.?found/i.test(`${error.name} ${error.message}`), `${error.name}: ${error.message}`)
    }],
    ['fs.download_file', async () => {
      const data = await files.downloadFile(spaced)
      check(data.toString() === 'one needle\ntwo\n', data.toString())
    }],
    ['fs.download_non_ascii', async () => {
      const data = await files.downloadFile(strange)
      check(data.toString() === 'strange', data.toString())
    }],
    ['fs.download_files', async () => {
      const local = path.join(os.tmpdir(), `sdk-${unique}.down`)
      try {
        const all = await files.downloadFiles([
          { source: `${base}/new/first.txt` }, { source: `${base}/missing` }, { source: `${base}/sub/second.txt`, destination: local },
        ])
        check(all.length === 3 && all[0].result?.toString() === 'first' && all[1].error && !all[1].result && !all[2].error, all)
        check(fs.readFileSync(local, 'utf8') === 'from a file needle\n', 'the file on disk')
      } finally {
        fs.rmSync(local, { force: true })
      }
    }],
    ['fs.search_files', async () => {
      const r = await files.searchFiles(base, '*.txt')
      check(r.files.sort().join() === [spaced, strange, `${base}/new/first.txt`, `${base}/sub/second.txt`].sort().join(), r)
    }],
    ['fs.find_files', async () => {
      const all = await files.findFiles(base, 'needle')
      check(all.length === 2 && all.some((m) => m.file === spaced && m.line === 1 && m.content === 'one needle'), all)
    }],
    ['fs.replace_in_files', async () => {
      const all = await files.replaceInFiles([spaced], 'needle', "pin'$1")
      check(all.length === 1 && all[0].success, all)
      check((await files.downloadFile(spaced)).toString() === "one pin'$1\ntwo\n", 'the file is another')
    }],
    ['fs.set_permissions', async () => {
      await files.setFilePermissions(`${base}/new/first.txt`, { mode: '600' })
      const f = await files.getFileDetails(`${base}/new/first.txt`)
      check(f.permissions === '0600', f)
    }],
    ['fs.move_files', async () => {
      await files.moveFiles(`${base}/new/first.txt`, `${base}/sub/moved.txt`)
      check((await files.downloadFile(`${base}/sub/moved.txt`)).toString() === 'first', 'the file is another')
    }],
    ['fs.round_trip_5mb', async () => {
      await files.uploadFile(big, `${base}/big.bin`)
      const back = await files.downloadFile(`${base}/big.bin`)
      check(back.equals(big), `${back.length} bytes`)
    }],
    ['fs.stream', async () => {
      has(files, 'uploadFileStream')
      await files.uploadFileStream(big, `${base}/streamed.bin`)
      const chunks = []
      for await (const chunk of await files.downloadFileStream(`${base}/streamed.bin`)) chunks.push(chunk)
      check(Buffer.concat(chunks).equals(big), `${Buffer.concat(chunks).length} bytes`)
    }],
    ['fs.delete_file', async () => {
      await files.deleteFile(strange)
      await fails(files.deleteFile(base))
      await files.deleteFile(base, true)
      await fails(files.getFileDetails(base))
    }],

    ['computer.start', async () => { const r = await computer.start(); check(r.message, r) }],
    ['computer.status', async () => { const r = await computer.getStatus(); check(['active', 'partial'].includes(r.status), r) }],
    ['computer.screenshot_full', async () => {
      const size = png((await computer.screenshot.takeFullScreen()).screenshot)
      check(size.width > 0 && size.height > 0, size)
    }],
    // No size: takeRegion exchanges its numbers in all three versions.
    ['computer.screenshot_region', async () => { png((await computer.screenshot.takeRegion({ x: 20, y: 20, width: 40, height: 40 })).screenshot) }],
    ['computer.screenshot_compressed', async () => {
      const r = await computer.screenshot.takeCompressed({ format: 'jpeg', quality: 80, scale: 0.5 })
      const data = Buffer.from(r.screenshot ?? '', 'base64')
      check(data.readUInt16BE(0) === 0xffd8 && r.sizeBytes === data.length, { bytes: data.length, sizeBytes: r.sizeBytes })
    }],
    ['computer.screenshot_compressed_region', async () => {
      const r = await computer.screenshot.takeCompressedRegion({ x: 1, y: 2, width: 40, height: 20 }, { format: 'png', scale: 0.5 })
      const size = png(r.screenshot)
      check(size.width === 20 && size.height === 10, size)
    }],
    ['computer.mouse_move', async () => { const r = await computer.mouse.move(30, 40); check(r.x === 30 && r.y === 40, r) }],
    ['computer.mouse_position', async () => { const r = await computer.mouse.getPosition(); check(r.x === 30 && r.y === 40, r) }],
    ['computer.mouse_click', async () => { const r = await computer.mouse.click(10, 20); check(r.x === 10 && r.y === 20, r) }],
    ['computer.mouse_double_click', async () => { const r = await computer.mouse.click(10, 20, 'left', true); check(r.x === 10 && r.y === 20, r) }],
    ['computer.mouse_drag', async () => { const r = await computer.mouse.drag(10, 20, 30, 40); check(r.x === 30 && r.y === 40, r) }],
    ['computer.mouse_scroll', async () => { const r = await computer.mouse.scroll(10, 20, 'down', 2); check(r === true, r) }],
    ['computer.keyboard_type', () => computer.keyboard.type("it's 100% $HOME", 5)],
    ['computer.keyboard_press', () => computer.keyboard.press('Return')],
    ['computer.keyboard_hotkey', () => computer.keyboard.hotkey('ctrl+a')],
    ['computer.display_info', async () => {
      const r = await computer.display.getInfo()
      check(r.displays?.length > 0 && r.displays[0].width > 0 && r.displays[0].height > 0, r)
    }],
    ['computer.display_windows', async () => { const r = await computer.display.getWindows(); check(Array.isArray(r.windows), r) }],
    ['computer.stop', async () => { const r = await computer.stop(); check(r.message, r) }],

    ['info.home_dir', async () => {
      const r = await (sandbox.getUserHomeDir ?? sandbox.getUserRootDir).call(sandbox)
      check(r?.startsWith('/'), r)
    }],
    ['info.work_dir', async () => {
      has(sandbox, 'getWorkDir')
      const r = await sandbox.getWorkDir()
      check(r?.startsWith('/'), r)
    }],
    // Nothing listens on 8080 of the device: 502 is the runner's word that it has looked.
    ['preview.link', async () => {
      const link = await sandbox.getPreviewLink(8080)
      const stranger = await get(link.url)
      const friend = await get(link.url, { 'X-Daytona-Preview-Token': link.token })
      check(stranger === 307 && (friend < 400 && friend !== 307 || friend === 502), { url: link.url, stranger, friend })
    }],
    ['preview.signed', async () => {
      has(sandbox, 'getSignedPreviewUrl')
      const link = await sandbox.getSignedPreviewUrl(8080, 60)
      const friend = await get(link.url)
      check(friend < 400 && friend !== 307 || friend === 502, { url: link.url, friend })
    }],
    // A device has no interpreters. 0.139 sends a shell command that does not find one.
    ['code_run', async () => {
      let r
      try {
        r = await proc.codeRun('print(1)')
      } catch (error) {
        check(statusOf(error) === 501, `${error.name} ${statusOf(error)}: ${error.message}`)
        return
      }
      check(flags.version === '0.139.0' && r.exitCode === 127, r)
    }],
  ]
}

function withLimit(promise) {
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${stepLimit / 1000} s`)), stepLimit)
  })
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer))
}

async function main() {
  const wanted = flags.steps.split(',').filter(Boolean)
  let failed = 0
  const step = async (name, run) => {
    const line = { step: name }
    try {
      await withLimit(Promise.resolve().then(run))
      line.ok = true
      line.detail = ''
    } catch (error) {
      if (error instanceof Skip) {
        line.skipped = error.message
      } else {
        failed++
        line.ok = false
        const status = statusOf(error)
        line.detail = `${error.name}${status ? ' ' + status : ''}: ${error.message}`.slice(0, 2000)
      }
    }
    fs.writeSync(1, JSON.stringify(line) + '\n')
    return line.ok
  }
  let sandbox
  const found = await step('connect', async () => {
    const { Daytona } = require(`sdk-${flags.version}`)
    const daytona = new Daytona({ apiKey: flags['api-key'], apiUrl: flags['api-url'], target: 'us' })
    sandbox = await daytona.get(flags.sandbox)
    check(sandbox.id === flags.sandbox, sandbox.id)
  })
  if (found) {
    for (const [name, run] of makeSteps(sandbox)) {
      if (wanted.length === 0 || wanted.some((w) => name.startsWith(w))) await step(name, run)
    }
  }
  // The SDK may keep connections open.
  process.exit(failed ? 1 : 0)
}

process.on('unhandledRejection', (error) => console.error('unhandled:', error?.message ?? error))
main().catch((error) => {
  console.error(error)
  process.exit(1)
})
