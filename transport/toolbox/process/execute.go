package process

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

const (
	// headerTruncated says how many bytes of the output are missing.
	headerTruncated = "X-Daytona-Output-Truncated"
	// killTime bounds the ending of a command whose time is up.
	killTime = 5 * time.Second
	// notRun is the exit code of a command that could not be started.
	notRun = -1
)

// executeRequest is the body of process/execute. Nulls count as absent.
type executeRequest struct {
	Command *string           `json:"command"`
	Cwd     string            `json:"cwd"`
	Envs    map[string]string `json:"envs"`
	Timeout uint32            `json:"timeout"` // seconds; 0: Options.MaxTime
}

// executeResponse is the answer. There must be no other fields: the Go SDK before 0.188
// refuses what it does not know.
type executeResponse struct {
	exitCode int
	result   []byte
}

// AppendJSON implements transport.Appender.
func (r *executeResponse) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"exitCode":`...), int64(r.exitCode), 10)
	dst = transport.AppendString(append(dst, `,"result":`...), r.result)
	return append(dst, '}')
}

func (d *Door) execute(c *transport.Ctx) error {
	if _, err := c.SandboxID(); err != nil {
		return err
	}
	cmd, limit, err := d.decode(c.Body())
	if err != nil {
		return err
	}
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(held.Context, limit, errCommandTime)
	defer cancel()
	answer, dropped, err := d.run(ctx, held.Serial, cmd)
	if err != nil {
		return err
	}
	if dropped > 0 {
		c.SetHeader(headerTruncated, strconv.FormatInt(dropped, 10))
	}
	return c.Append(http.StatusOK, answer)
}

// decode reads and checks a request; the words of its errors are those of Daytona's daemon.
func (d *Door) decode(body []byte) (command, time.Duration, error) {
	var r executeRequest
	if err := transport.DecodeJSON(body, &r); err != nil {
		return command{}, 0, fault.Invalidf("invalid request body: %v", err)
	}
	if r.Command == nil {
		return command{}, 0, fault.Invalidf("invalid request body: Key: 'ExecuteRequest.Command' " +
			"Error:Field validation for 'Command' failed on the 'required' tag")
	}
	cmd := command{text: *r.Command, cwd: r.Cwd, envs: r.Envs}
	if err := cmd.check(); err != nil {
		return command{}, 0, fault.Invalidf("%v", err)
	}
	limit := time.Duration(r.Timeout) * time.Second
	if limit == 0 || limit > d.MaxTime {
		limit = d.MaxTime
	}
	return cmd, limit, nil
}

// errCommandTime is the cause of a context whose command had its time.
var errCommandTime = transport.RequestTimeoutf("command execution timeout")

// run executes cmd and returns the answer and how many bytes of output it lacks.
func (d *Door) run(ctx context.Context, serial string, cmd command) (*executeResponse, int64, error) {
	nonce := "runner-" + rand.Text()
	room := int64(len(nonce) + 16) // for the line with the pid
	res, err := d.shell.Run(ctx, serial, guestshell.Script{Text: cmd.script(nonce), MaxOutput: d.MaxOutput + room})
	p := readOutput(res.Output, nonce)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		if !fault.Is(cause, fault.Conflict) { // a device that stops takes the command along
			d.kill(ctx, serial, p.pid)
		}
		return nil, 0, cause
	}
	if err != nil {
		return nil, 0, err
	}
	if p.noCwd {
		return &executeResponse{notRun, cwdText(p.output, cmd.cwd)}, 0, nil
	}
	output, dropped := p.output, res.Dropped
	if over := int64(len(output)) - d.MaxOutput; over > 0 {
		output, dropped = output[:d.MaxOutput], dropped+over
	}
	if dropped > 0 {
		output = d.appendCut(output, dropped)
	}
	return &executeResponse{res.ExitCode, output}, dropped, nil
}

// appendCut says in the last line of the output that it is not all of it.
func (d *Door) appendCut(output []byte, dropped int64) []byte {
	if len(output) > 0 && output[len(output)-1] != '\n' {
		output = append(output, '\n')
	}
	return fmt.Appendf(output, "[%d bytes of output were cut off: the limit is %d bytes]\n", dropped, d.MaxOutput)
}

// cwdText is why the directory could not be changed: the shell's words, if it has any.
func cwdText(said []byte, cwd string) []byte {
	if len(said) > 0 {
		return said
	}
	return fmt.Appendf(nil, "cd: %s: not an accessible directory", cwd)
}

// kill ends what a hung-up shell left behind. It does so after ctx has ended.
func (d *Door) kill(ctx context.Context, serial string, pid int) {
	if pid == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTime)
	defer cancel()
	res, err := d.shell.Run(ctx, serial, guestshell.Script{Text: guestshell.Kill(pid), MaxOutput: prologueLimit})
	if err != nil || res.ExitCode != 0 {
		d.Log.Warn("command not ended", zap.String(obs.Serial, serial), zap.Int(obs.PID, pid),
			zap.Int(obs.ExitCode, res.ExitCode), zap.Error(err))
	}
}
