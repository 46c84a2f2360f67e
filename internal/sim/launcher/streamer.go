package launcher

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// streamer is webRTC, which shows the device's screen. It is not critical: it is started again when it dies.
type streamer struct {
	cmd     *exec.Cmd
	exited  chan struct{}    // closed at its end; nil while there is none
	restart <-chan time.Time // fires when it is to be started again
}

// streamerPause is how long the launcher waits before it starts it again.
const streamerPause = time.Second

// startStreamer starts webRTC. The main goroutine calls it, for the death signal's sake.
func (r *runner) startStreamer() {
	r.screen = streamer{}
	cmd := exec.CommandContext(context.Background(), filepath.Join(r.bin, "webRTC"))
	cmd.Dir = r.instanceDir()
	cmd.Env = os.Environ()
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGHUP}
	if err := cmd.Start(); err != nil {
		// Old host packages of the simulator have none; the device works without a screen.
		r.logf("Unable to start webRTC: %v", err)
		return
	}
	r.logf("Starting monitored subprocess webRTC")
	exited := make(chan struct{})
	r.screen.cmd, r.screen.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // the state says all
		close(exited)
	}()
}

// streamerEnded plans its next start.
func (r *runner) streamerEnded() {
	r.logf("Detected exit of monitored subprocess webRTC: %v, restarting it", r.screen.cmd.ProcessState)
	r.screen = streamer{restart: time.After(streamerPause)}
}

// stopStreamer ends it.
func (r *runner) stopStreamer() {
	if r.screen.exited == nil {
		return
	}
	if fs, err := r.script.Device(r.group(), r.number); err == nil && fs.Has("webrtc_orphan") {
		return
	}
	const limit = 2 * time.Second
	_ = r.screen.cmd.Process.Signal(unix.SIGTERM) // it may have ended
	select {
	case <-r.screen.exited:
	case <-time.After(limit):
		_ = r.screen.cmd.Process.Kill() // as above
		<-r.screen.exited
	}
	r.screen = streamer{}
}
