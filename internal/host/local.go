package host

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
)

// searchPath is the PATH of every command and where programs without a slash are looked for.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// LocalOptions say how commands run on this machine.
type LocalOptions struct {
	User   DeviceUser
	TmpDir string      // TMPDIR of commands, absolute; empty: not set
	Log    *zap.Logger // nil: silent
}

// Local is the machine that the runner itself stands on.
//
// Each launched process has a goroutine that waits for it, so that it does not stay a zombie.
// It ends with the process and cannot be ended earlier; there is nothing to close.
type Local struct {
	user DeviceUser
	env  []string
	log  *zap.Logger
	exit *exits
}

var _ Host = (*Local)(nil)

// NewLocal checks that commands can run as opts.User: the runner must be root or that user.
func NewLocal(opts LocalOptions) (*Local, error) {
	u := opts.User
	switch euid := os.Geteuid(); {
	case u.Name == "" || !filepath.IsAbs(u.Home):
		return nil, fault.Invalidf("device user %q (uid %d) needs a name and an absolute home, has %q",
			u.Name, u.UID, u.Home)
	case euid != 0 && euid != u.UID:
		return nil, fault.Invalidf("the runner has uid %d, but the devices belong to %s (uid %d): run it as root or as %s",
			euid, u.Name, u.UID, u.Name)
	case opts.TmpDir != "" && !filepath.IsAbs(opts.TmpDir):
		return nil, fault.Invalidf("TMPDIR of commands must be an absolute path, is %q", opts.TmpDir)
	}
	l := &Local{user: u, env: environment(u, opts.TmpDir), log: opts.Log, exit: newExits()}
	if l.log == nil {
		l.log = zap.NewNop()
	}
	return l, nil
}

// User returns the user that commands run as.
func (l *Local) User() DeviceUser { return l.user }

// environment is all that a command gets of its own accord. The runner's environment is never
// handed on: it holds tokens, and variables that change what cvd does (CUTTLEFISH_INSTANCE,
// ANDROID_HOST_OUT, ANDROID_PRODUCT_OUT).
func environment(u DeviceUser, tmpDir string) []string {
	env := []string{"PATH=" + searchPath, "HOME=" + u.Home, "USER=" + u.Name, "LOGNAME=" + u.Name}
	if tmpDir != "" {
		env = append(env, "TMPDIR="+tmpDir)
	}
	return env
}

// prepare builds the process of cmd: the device user's, in a session and process group of its
// own, so that no terminal signal of the runner reaches it. Stdin is /dev/null.
func (l *Local) prepare(cmd Command) (*exec.Cmd, error) {
	program, err := resolve(cmd.Args)
	if err != nil {
		return nil, err
	}
	dir := cmd.Dir
	if dir == "" {
		dir = l.user.Home
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fault.Unavailablef("run %s: its working directory %s does not exist", program, dir)
	}
	return &exec.Cmd{
		Path:        program,
		Args:        cmd.Args,
		Env:         slices.Concat(l.env, cmd.Env),
		Dir:         dir,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: l.user.credential()},
	}, nil
}

// resolve finds the program. A missing one is Unavailable, not NotFound: what is missing is a
// tool of the host, not the thing that somebody asked for.
func resolve(args []string) (string, error) {
	if len(args) == 0 || args[0] == "" {
		return "", fault.Internalf("run a command: it names no program")
	}
	name := args[0]
	if filepath.IsAbs(name) {
		return name, nil
	}
	if strings.Contains(name, "/") {
		return "", fault.Internalf("run %s: a program needs an absolute path or a bare name", name)
	}
	for dir := range strings.SplitSeq(searchPath, ":") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fault.Unavailablef("run %s: no such program in %s", name, searchPath)
}

// startError classifies an error of fork and exec.
func startError(cmd Command, err error) error {
	kind := fault.Internal
	switch k := kindOf(err); k {
	case fault.NotFound:
		kind = fault.Unavailable
	case fault.Exhausted, fault.Timeout, fault.Cancelled:
		kind = k
	default:
	}
	return fault.Wrap(kind, "start "+cmd.String(), err)
}

// Dial connects to "tcp" or "unix" addresses. Nobody there is Unavailable; no answer within
// the context is Timeout.
func (l *Local) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" && network != "unix" {
		return nil, fault.Internalf("dial %s %s: want tcp or unix", network, address)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err == nil {
		return conn, nil
	}
	kind := fault.Unavailable
	if ctx.Err() != nil {
		kind = fault.KindOf(ctx.Err())
	} else if k := kindOf(err); k == fault.Timeout || k == fault.Exhausted {
		kind = k
	}
	return nil, fault.Wrap(kind, fmt.Sprintf("dial %s %s", network, address), err)
}
