#!/usr/bin/env python3
"""Runs what Daytona's own Python SDK can do against one sandbox: see README.md.

One JSON line per step: {"step", "ok", "detail"}, or {"step", "skipped"} where this version has no such call.
The steps have the names of ../typescript/run.js.
"""

import argparse
import asyncio
import base64
import http.client
import importlib.metadata
import json
import os
import re
import struct
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

STEP_LIMIT = 30  # seconds


class Skip(Exception):
    pass


def check(condition, seen):
    if not condition:
        raise AssertionError(f"got {seen!r}")


def has(thing, method):
    """Skip the step where this version of the SDK lacks the method."""
    if not callable(getattr(thing, method, None)):
        raise Skip(f"{method} is not in {VERSION}")


def fails(call, *args, **kwargs):
    """Want an error, and return it."""
    try:
        value = call(*args, **kwargs)
    except Exception as error:  # whatever class this version has
        return error
    raise AssertionError(f"succeeded with {value!r}")


def status_of(error):
    for name in ("status_code", "status"):
        if getattr(error, name, None):
            return getattr(error, name)
    return status_of(error.__cause__) if error.__cause__ else None


def png(text):
    data = base64.b64decode(text or "")
    check(data[1:4] == b"PNG", (len(data), data[:8]))
    return struct.unpack(">II", data[16:24])


def get(address, **headers):
    """Fetch an address; names below .localhost are this machine, whatever the resolver thinks."""
    url = urllib.parse.urlsplit(address)
    host = "127.0.0.1" if url.hostname.endswith(".localhost") else url.hostname
    connection = http.client.HTTPConnection(host, url.port or 80, timeout=STEP_LIMIT)
    try:
        connection.request("GET", url.path or "/", headers={"Host": url.netloc, **headers})
        return connection.getresponse().status
    finally:
        connection.close()


class Terminal:
    """A PTY whose output is collected."""

    def __init__(self, process, name, size):
        self.text = ""
        self.result = None
        self.handle = process.create_pty_session(id=name, pty_size=size)
        self.handle.wait_for_connection()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        def collect(data):
            self.text += data.decode(errors="replace")

        self.result = self.handle.wait(on_data=collect)

    def sees(self, text):
        end = time.monotonic() + 10
        while text not in self.text:
            check(time.monotonic() < end, f"no {text!r} in {self.text!r}")
            time.sleep(0.02)

    def ends(self):
        self.reader.join(10)
        check(self.result is not None, f"no end; it said {self.text!r}")
        return self.result


def make_steps(sandbox):
    from daytona import FileDownloadRequest, FileUpload, ScreenshotOptions, ScreenshotRegion, SessionExecuteRequest
    from daytona.common.pty import PtySize

    process, files, computer = sandbox.process, sandbox.fs, sandbox.computer_use
    unique = uuid.uuid4().hex[:8]
    base = f"/data/local/tmp/sdk-{unique}"
    session = f"s-{unique}"
    spaced = f"{base}/a b.txt"
    strange = f"{base}/ü €.txt"
    big = os.urandom(5 * 1024 * 1024)
    kept = {}

    def opened(name):
        if name not in kept:
            kept[name] = Terminal(process, f"{name}-{unique}", PtySize(rows=24, cols=80))
        return kept[name]

    def command_id():
        check("command" in kept, "no asynchronous command")
        return kept["command"]

    steps = []

    def step(name):
        def add(run):
            steps.append((name, run))
            return run

        return add

    @step("execute.ok")
    def _():
        r = process.exec("echo hello; echo two words")
        check(r.exit_code == 0 and r.result.rstrip("\n") == "hello\ntwo words", r)  # 0.139 drops the last newline

    @step("execute.exit_code")
    def _():
        r = process.exec("echo out; echo err >&2; exit 3")
        check(r.exit_code == 3 and "out" in r.result and "err" in r.result, r)

    @step("execute.cwd")
    def _():
        r = process.exec("pwd", cwd="/data/local/tmp")
        check(r.exit_code == 0 and r.result.strip() == "/data/local/tmp", r)

    @step("execute.env")
    def _():
        r = process.exec('echo "$A|$B"', env={"A": "one", "B": "2"})
        check(r.exit_code == 0 and r.result.strip() == "one|2", r)

    @step("execute.env_special")
    def _():
        r = process.exec('echo "$A|$B"', env={"A": "x  y", "B": "q'$(no)"})
        check(r.exit_code == 0 and r.result.strip() == "x  y|q'$(no)", r)

    @step("execute.timeout")
    def _():
        began = time.monotonic()
        error = fails(process.exec, "sleep 20", timeout=1)
        check(time.monotonic() - began < 10, error)

    @step("session.create")
    def _():
        process.create_session(session)

    @step("session.exec")
    def _():
        r = process.execute_session_command(
            session, SessionExecuteRequest(command="cd /data/local/tmp; echo out; echo err >&2; V=kept; (exit 3)"))
        check(r.exit_code == 3 and r.cmd_id and "out" in str(r.output), r)
        if getattr(r, "stdout", None) is not None:
            check(r.stdout.strip() == "out" and r.stderr.strip() == "err", r)

    @step("session.state")
    def _():
        r = process.execute_session_command(session, SessionExecuteRequest(command='echo "$PWD $V"'))
        check("/data/local/tmp kept" in str(r.output), r)

    @step("session.async")
    def _():
        r = process.execute_session_command(
            session, SessionExecuteRequest(command='read line; echo "got:$line"; echo oops >&2', run_async=True))
        check(r.cmd_id, r)
        kept["command"] = r.cmd_id
        check(process.get_session_command(session, r.cmd_id).exit_code is None, r)

    @step("session.follow")
    def _():
        command, out, err = command_id(), [], []
        has(process, "send_session_command_input")
        typing = threading.Thread(target=process.send_session_command_input, args=(session, command, "typed\n"), daemon=True)
        typing.start()
        asyncio.run(process.get_session_command_logs_async(session, command, out.append, err.append))
        typing.join(10)
        check("got:typed" in "".join(out) and "oops" in "".join(err), (out, err))

    @step("session.logs")
    def _():
        logs = process.get_session_command_logs(session, command_id())
        check("got:typed" in str(logs.output), logs)
        check(process.get_session_command(session, command_id()).exit_code == 0, logs)

    @step("session.list")
    def _():
        check(session in [s.session_id for s in process.list_sessions()], "it is not listed")
        one = process.get_session(session)
        check(one.session_id == session and len(one.commands) == 3, one)

    @step("session.delete")
    def _():
        process.delete_session(session)
        fails(process.get_session, session)
        check(session not in [s.session_id for s in process.list_sessions()], "it is still listed")

    @step("pty.create")
    def _():
        opened("one")

    @step("pty.type")
    def _():
        opened("one").handle.send_input("echo $((6*7))-typed\r")
        opened("one").sees("42-typed")

    @step("pty.list")
    def _():
        mine = [p for p in process.list_pty_sessions() if p.id == opened("one").handle.session_id]
        check(len(mine) == 1 and mine[0].cols == 80 and mine[0].rows == 24, mine)

    @step("pty.resize")
    def _():
        info = opened("one").handle.resize(PtySize(rows=30, cols=100))
        check(info.cols == 100 and info.rows == 30, info)

    @step("pty.exit_code")
    def _():
        opened("one").handle.send_input("exit 3\r")
        check(opened("one").ends().exit_code == 3, opened("one").result)

    @step("pty.kill")
    def _():
        opened("two").handle.kill()
        check(opened("two").ends().exit_code == 137, opened("two").result)

    @step("fs.create_folder")
    def _():
        files.create_folder(f"{base}/sub/deeper", "755")

    @step("fs.upload_file")
    def _():
        files.upload_file(b"one needle\ntwo\n", spaced)

    @step("fs.upload_non_ascii")
    def _():
        files.upload_file(b"strange", strange)

    @step("fs.upload_files")
    def _():
        with tempfile.NamedTemporaryFile(suffix=".txt") as local:
            local.write(b"from a file needle\n")
            local.flush()
            files.upload_files([
                FileUpload(source=b"first", destination=f"{base}/new/first.txt"),
                FileUpload(source=local.name, destination=f"{base}/sub/second.txt"),
            ])

    @step("fs.list_files")
    def _():
        found = {f.name: f for f in files.list_files(base)}
        check(sorted(found) == sorted(["a b.txt", "new", "sub", "ü €.txt"]), found)
        check(found["sub"].is_dir and found["a b.txt"].size == 15, found)

    @step("fs.file_details")
    def _():
        f = files.get_file_info(strange)
        check(f.name == "ü €.txt" and f.size == 7 and not f.is_dir and re.fullmatch("0[0-7]{3}", f.permissions), f)

    @step("fs.file_details_missing")
    def _():
        check(files.get_file_info(base).is_dir, "its directory is none")
        error = fails(files.get_file_info, f"{base}/missing")
        check(status_of(error) == 404 or re.search("404|not.?found", f"{type(error).__name__} {error}", re.I), error)

    @step("fs.download_file")
    def _():
        data = files.download_file(spaced)
        check(data == b"one needle\ntwo\n", data)

    @step("fs.download_non_ascii")
    def _():
        data = files.download_file(strange)
        check(data == b"strange", data)

    @step("fs.download_files")
    def _():
        with tempfile.TemporaryDirectory() as local:
            found = files.download_files([
                FileDownloadRequest(source=f"{base}/new/first.txt"), FileDownloadRequest(source=f"{base}/missing"),
                FileDownloadRequest(source=f"{base}/sub/second.txt", destination=f"{local}/second"),
            ])
            check(len(found) == 3 and found[0].result == b"first" and found[1].error and not found[2].error, found)
            with open(f"{local}/second", "rb") as f:
                check(f.read() == b"from a file needle\n", "the file on disk")

    @step("fs.search_files")
    def _():
        r = files.search_files(base, "*.txt")
        check(sorted(r.files) == sorted([spaced, strange, f"{base}/new/first.txt", f"{base}/sub/second.txt"]), r)

    @step("fs.find_files")
    def _():
        found = files.find_files(base, "needle")
        check(len(found) == 2 and (spaced, 1, "one needle") in [(m.file, m.line, m.content) for m in found], found)

    @step("fs.replace_in_files")
    def _():
        r = files.replace_in_files([spaced], "needle", "pin'$1")
        check(len(r) == 1 and r[0].success, r)
        data = files.download_file(spaced)
        check(data == b"one pin'$1\ntwo\n", data)

    @step("fs.set_permissions")
    def _():
        files.set_file_permissions(f"{base}/new/first.txt", mode="600")
        f = files.get_file_info(f"{base}/new/first.txt")
        check(f.permissions == "0600", f)

    @step("fs.move_files")
    def _():
        files.move_files(f"{base}/new/first.txt", f"{base}/sub/moved.txt")
        data = files.download_file(f"{base}/sub/moved.txt")
        check(data == b"first", data)

    @step("fs.round_trip_5mb")
    def _():
        files.upload_file(big, f"{base}/big.bin")
        back = files.download_file(f"{base}/big.bin")
        check(back == big, f"{len(back)} bytes")

    @step("fs.stream")
    def _():
        has(files, "upload_file_stream")
        has(files, "download_file_stream")
        files.upload_file_stream(big, f"{base}/streamed.bin")
        back = b"".join(files.download_file_stream(f"{base}/streamed.bin"))
        check(back == big, f"{len(back)} bytes")

    @step("fs.delete_file")
    def _():
        files.delete_file(strange)
        fails(files.delete_file, base)
        files.delete_file(base, recursive=True)
        fails(files.get_file_info, base)

    @step("computer.start")
    def _():
        r = computer.start()
        check(r.message, r)

    @step("computer.status")
    def _():
        r = computer.get_status()
        check(r.status in ("active", "partial"), r)

    @step("computer.screenshot_full")
    def _():
        width, height = png(computer.screenshot.take_full_screen().screenshot)
        check(width > 0 and height > 0, (width, height))

    # No size: ../typescript/run.js says why.
    @step("computer.screenshot_region")
    def _():
        png(computer.screenshot.take_region(ScreenshotRegion(x=20, y=20, width=40, height=40)).screenshot)

    @step("computer.screenshot_compressed")
    def _():
        r = computer.screenshot.take_compressed(ScreenshotOptions(fmt="jpeg", quality=80, scale=0.5))
        data = base64.b64decode(r.screenshot or "")
        check(data[:2] == b"\xff\xd8" and r.size_bytes == len(data), (len(data), r.size_bytes))

    @step("computer.screenshot_compressed_region")
    def _():
        r = computer.screenshot.take_compressed_region(
            ScreenshotRegion(x=1, y=2, width=40, height=20), ScreenshotOptions(fmt="png", scale=0.5))
        check(png(r.screenshot) == (20, 10), png(r.screenshot))

    def point(name, want, call, *args):
        @step(name)
        def _():
            r = call(*args)
            check((r.x, r.y) == want, r)

    point("computer.mouse_move", (30, 40), computer.mouse.move, 30, 40)
    point("computer.mouse_position", (30, 40), computer.mouse.get_position)
    point("computer.mouse_click", (10, 20), computer.mouse.click, 10, 20)
    point("computer.mouse_double_click", (10, 20), computer.mouse.click, 10, 20, "left", True)
    point("computer.mouse_drag", (30, 40), computer.mouse.drag, 10, 20, 30, 40)

    @step("computer.mouse_scroll")
    def _():
        r = computer.mouse.scroll(10, 20, "down", 2)
        check(r is True, r)

    @step("computer.keyboard_type")
    def _():
        computer.keyboard.type("it's 100% $HOME", 5)

    @step("computer.keyboard_press")
    def _():
        computer.keyboard.press("Return")

    @step("computer.keyboard_hotkey")
    def _():
        computer.keyboard.hotkey("ctrl+a")

    @step("computer.display_info")
    def _():
        r = computer.display.get_info()
        check(r.displays and r.displays[0].width > 0 and r.displays[0].height > 0, r)

    @step("computer.display_windows")
    def _():
        r = computer.display.get_windows()
        check(r.windows is not None, r)

    @step("computer.stop")
    def _():
        r = computer.stop()
        check(r.message, r)

    @step("info.home_dir")
    def _():
        r = (getattr(sandbox, "get_user_home_dir", None) or sandbox.get_user_root_dir)()
        check(r.startswith("/"), r)

    @step("info.work_dir")
    def _():
        has(sandbox, "get_work_dir")
        r = sandbox.get_work_dir()
        check(r.startswith("/"), r)

    # Nothing listens on 8080 of the device: 502 is the runner's word that it has looked.
    def passed(status):
        return status == 502 or status < 400 and status != 307

    @step("preview.link")
    def _():
        link = sandbox.get_preview_link(8080)
        stranger, friend = get(link.url), get(link.url, **{"X-Daytona-Preview-Token": link.token})
        check(stranger == 307 and passed(friend), (link.url, stranger, friend))

    @step("preview.signed")
    def _():
        has(sandbox, "create_signed_preview_url")
        link = sandbox.create_signed_preview_url(8080, 60)
        friend = get(link.url)
        check(passed(friend), (link.url, friend))

    # A device has no interpreters. 0.139 sends a shell command that does not find one.
    @step("code_run")
    def _():
        try:
            r = process.code_run("print(1)")
        except Exception as error:
            if status_of(error) != 501:
                raise
            return
        check(VERSION == "0.139.0" and r.exit_code == 127, r)

    return steps


def run_step(name, run):
    """Run one step, print its line, and tell whether it did not fail."""
    line = {"step": name}
    outcome = []

    def body():
        try:
            run()
            outcome.append({"ok": True, "detail": ""})
        except Skip as skip:
            outcome.append({"skipped": str(skip)})
        except Exception as error:
            outcome.append({"ok": False, "detail": f"{type(error).__name__} {status_of(error) or ''}: {error}"[:2000]})

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(STEP_LIMIT)
    line.update(outcome[0] if outcome else {"ok": False, "detail": f"not done after {STEP_LIMIT} s"})
    print(json.dumps(line, ensure_ascii=False), file=LINES, flush=True)
    return line.get("ok", True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--api-url", default="http://127.0.0.1:3000/api")
    parser.add_argument("--api-key", default="demo-key")
    parser.add_argument("--sandbox", required=True)
    parser.add_argument("--steps", default="", help="only those that begin with one of these, comma-separated")
    flags = parser.parse_args()
    wanted = tuple(filter(None, flags.steps.split(",")))
    found = []

    def connect():
        from daytona import Daytona, DaytonaConfig

        daytona = Daytona(DaytonaConfig(api_key=flags.api_key, api_url=flags.api_url, target="us"))
        sandbox = daytona.get(flags.sandbox)
        check(sandbox.id == flags.sandbox, sandbox.id)
        found.append((daytona, sandbox))

    good = run_step("connect", connect)
    if found:
        for name, run in make_steps(found[0][1]):
            if not wanted or name.startswith(wanted):
                good = run_step(name, run) and good
    os._exit(0 if good else 1)  # the SDK, or a step that hangs, may keep threads


# Some versions print what they do.
LINES, sys.stdout = sys.stdout, sys.stderr
VERSION = importlib.metadata.version("daytona")

if __name__ == "__main__":
    main()
