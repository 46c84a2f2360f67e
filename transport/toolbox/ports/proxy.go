package ports

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/obs"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

const (
	anyMethod = "*"
	// unlimited is the limit of bodies that pass through.
	unlimited = math.MaxInt
	// maxAnswerHeader bounds the headers of an answer.
	maxAnswerHeader = 256 << 10
)

// Ports that mean something else than the guest's own.
const (
	toolboxPort    = 2280 // the daemon; its routes are mounted, whatever comes here is none of them
	terminalPort   = 22222
	recordingsPort = 33333
)

// refusal says why a port is not proxied; nil for those that are.
func refusal(port int) error {
	switch port {
	case terminalPort:
		return fault.Unsupportedf("port %d is Daytona's web terminal, which Android devices do not have: use process/pty", port)
	case recordingsPort:
		return fault.Unsupportedf("port %d is Daytona's page of recordings, which Android devices do not have", port)
	}
	return nil
}

func (d *Door) proxy(c *transport.Ctx) error {
	port, err := portOf(c)
	if err != nil {
		return err
	}
	if port == toolboxPort {
		return transport.NotFound(c)
	}
	if err := refusal(port); err != nil {
		return err
	}
	held, err := d.leases.Take(c)
	if err != nil {
		return err
	}
	// It ends with the answer: the guest's side of this one request.
	ctx, cancel := context.WithCancelCause(held.Context)
	body := uploadOf(c)
	resp, err := d.send(ctx, c, held, port, body)
	if err != nil {
		body.end()
		cause := context.Cause(ctx)
		cancel(nil)
		return d.failed(cause, body, err, held.Serial, port)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		body.end()
		return d.tunnel(ctx, cancel, c, held, resp)
	}
	copyAnswer(c, resp.Header)
	c.StreamFrom(resp.StatusCode, sizeOf(resp), &answer{resp.Body, ctx, body, cancel})
	return nil
}

// send brings the request to the guest. The body may still be on its way when it returns.
func (d *Door) send(ctx context.Context, c *transport.Ctx, held lease.Lease, port int, body *upload) (*http.Response, error) {
	req, err := newRequest(ctx, c, addrOf(held.Serial, port), port)
	if err != nil {
		return nil, err
	}
	through := d.plain
	if body != nil {
		req.Body, req.ContentLength, through = body, body.size, d.uploads
	}
	return through.RoundTrip(req)
}

// failed says what a request that was not answered looks like to the client.
func (d *Door) failed(cause error, body *upload, err error, serial string, port int) error {
	var network net.Error
	switch {
	case cause != nil:
		return cause
	case body.failure() != nil:
		return body.failure()
	case fault.Is(err, fault.Invalid):
		return err
	case errors.As(err, &network) && network.Timeout():
		return fault.Timeoutf("port %d of the guest did not answer in time", port)
	}
	d.Log.Debug("guest did not answer", zap.String(obs.Serial, serial), zap.Int("port", port), zap.Error(err))
	return transport.BadGateway(err)
}

// answer is the body of an answer on its way to the client.
type answer struct {
	io.ReadCloser
	ctx    context.Context
	upload *upload
	cancel context.CancelCauseFunc
}

// Close lets go of the guest, and of the request's body, which is not to be read any more.
func (a *answer) Close() error {
	a.cancel(nil)
	err := a.ReadCloser.Close()
	a.upload.end()
	return err
}

// upload is the body of a request, as long as its answer is being made. A nil one is none.
type upload struct {
	body   *transport.Body
	size   int64 // Unsized: not known
	ending atomic.Bool

	mu   sync.Mutex // a Read that is under way
	read int64
	eof  bool
	err  error
}

func uploadOf(c *transport.Ctx) *upload {
	n := c.Fasthttp().Request.Header.ContentLength()
	if n == 0 || n < transport.Unsized { // nothing is said of a body
		return nil
	}
	return &upload{body: c.BodyReader(), size: int64(n)}
}

// Read is the HTTP client's, on a goroutine of its own.
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ending.Load() {
		return 0, io.ErrClosedPipe
	}
	n, err := u.body.Read(p)
	u.read += int64(n)
	switch {
	case errors.Is(err, io.EOF) || u.read == u.size:
		u.eof = true
	case err != nil && !u.ending.Load():
		u.err = err
	}
	return n, err
}

// Close is the HTTP client's, which may call it while the answer still comes.
func (u *upload) Close() error { return nil }

// end returns when nobody reads the body, nor will. What has not been read of it is not waited for.
func (u *upload) end() {
	if u == nil {
		return
	}
	u.ending.Store(true)
	if !u.mu.TryLock() {
		u.body.Interrupt()
		u.mu.Lock()
	} else if !u.eof {
		u.body.Interrupt()
	}
	u.mu.Unlock()
}

// failure is why the body could not be read. It is asked for after end.
func (u *upload) failure() error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// newTransport makes an HTTP client that reaches guests and keeps no connection.
func (d *Door) newTransport(writeBuffer int) *http.Transport {
	return &http.Transport{
		DialContext: d.dialAddr, DisableKeepAlives: true, DisableCompression: true,
		ResponseHeaderTimeout: d.Answer, MaxResponseHeaderBytes: maxAnswerHeader, WriteBufferSize: writeBuffer,
	}
}

// addrOf is a port of a device in the form that an HTTP client takes for an address.
func addrOf(serial string, port int) string {
	return hex.EncodeToString([]byte(serial)) + ":" + strconv.Itoa(port)
}

// dialAddr is addrOf backwards, and dial.
func (d *Door) dialAddr(ctx context.Context, _, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	serial, err := hex.DecodeString(host)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	return d.dial(ctx, string(serial), n)
}

// dial reaches a port of the guest. It wraps adb.ErrRefused when nothing listens there.
func (d *Door) dial(ctx context.Context, serial string, port int) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.Dial, fault.Timeoutf("port %d of the guest took no connection within %s", port, d.Dial))
	defer cancel()
	conn, err := d.guest.Dial(ctx, serial, "tcp:"+strconv.Itoa(port))
	if err != nil && !errors.Is(err, adb.ErrRefused) {
		err = guestcommand.CauseOf(ctx, err)
	}
	return conn, fault.Op(fmt.Sprintf("reach port %d of the guest", port), err)
}
