package ingress

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/loopback"
)

// UsualAddress is where Daytona's own development set-up has its proxy.
const UsualAddress = "127.0.0.1:4000"

// idleConnection is how long the proxy keeps a connection to a runner that nobody uses. A runner has to
// keep it longer.
const idleConnection = 30 * time.Second

// Options are one proxy.
type Options struct {
	APIURL string // of the control plane; ends in /api
	Key    string // the proxy's own API key there
}

// Proxy is the double. It is an http.Handler, and safe for concurrent use.
type Proxy struct {
	api       api
	toRunners *http.Transport
	desk      *http.ServeMux
	faults    faultList
	runners   runnerCache
	activity  activity
	cookieKey [32]byte
}

// New makes a proxy that has asked nothing yet. The caller closes it, unless Serve does.
func New(o Options) *Proxy {
	p := &Proxy{
		api:       newAPI(o, http.DefaultTransport.(*http.Transport).Clone()),
		toRunners: http.DefaultTransport.(*http.Transport).Clone(),
	}
	p.toRunners.IdleConnTimeout, p.toRunners.MaxIdleConnsPerHost = idleConnection, 100
	p.toRunners.Proxy = nil // a runner is reached directly
	_, _ = rand.Read(p.cookieKey[:])
	p.desk = p.newDesk()
	return p
}

// Close waits for what was begun beside requests that have ended.
func (p *Proxy) Close() {
	p.activity.wait()
	p.toRunners.CloseIdleConnections()
	p.api.client.CloseIdleConnections()
}

// Listen opens a listener on a loopback address.
func Listen(address string) (net.Listener, error) {
	return loopback.Listen("Daytona's proxy", "make it misbehave", address)
}

// ListenUsual listens on the usual address, or on a free port where that is taken.
func ListenUsual() (net.Listener, error) {
	if listener, err := Listen(UsualAddress); err == nil {
		return listener, nil
	}
	return Listen("127.0.0.1:0")
}

// Serve answers on the listener, which it closes, until ctx ends, and closes the proxy.
func (p *Proxy) Serve(ctx context.Context, listener net.Listener) error {
	defer p.Close()
	return loopback.Serve(ctx, listener, p)
}

// ServeHTTP answers one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if answeredCORS(w, r) {
		return
	}
	if port, label, isHostForm := parseHost(r.Host); isHostForm {
		p.pass(w, r, target{port: port, label: label, path: r.URL.EscapedPath()})
		return
	}
	path := r.URL.EscapedPath() // percent-encoding as it came
	switch rest, isToolbox := strings.CutPrefix(path, "/toolbox/"); {
	case isToolbox:
		label, _, hasPath := strings.Cut(rest, "/")
		if !hasPath || label == "" {
			refuse(w, r, http.StatusNotFound, "not found: want /toolbox/<sandbox>/<path>")
			return
		}
		p.pass(w, r, target{port: toolboxPort, label: label, path: rest[len(label):], toolboxForm: true})
	case path == "/health":
		send(w, http.StatusOK, map[string]string{"status": "ok"})
	case path == loginPath:
		p.login(w, r)
	case strings.HasPrefix(path, "/sim/"):
		p.desk.ServeHTTP(w, r)
	default:
		refuse(w, r, http.StatusNotFound, "not found: neither a host <port>-<sandbox>.<domain> nor a path /toolbox/<sandbox>/")
	}
}

// pass lets a request through to the sandbox's runner, if its sender may.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, t target) {
	t.sandbox = t.label
	if alwaysAuthenticated(t.port) || !p.isPublic(r, t.label) {
		var why string
		switch t.sandbox, why = p.authenticate(r, t); {
		case t.sandbox != "":
		case t.toolboxForm:
			refuse(w, r, http.StatusUnauthorized, "unauthorized: "+why)
			return
		default:
			http.Redirect(w, r, loginURL(r, t), http.StatusTemporaryRedirect)
			return
		}
	}
	runner, err := p.runners.of(t.sandbox, time.Now(), func() (runner, error) { return p.api.runnerOf(r.Context(), t.sandbox) })
	if err != nil {
		refuse(w, r, http.StatusBadRequest, "bad request: runner of the sandbox: "+err.Error())
		return
	}
	if r.Header.Get(skipActivityHeader) != "true" {
		defer p.activity.keep(t.sandbox, p.api.touch)()
	}
	r.Header.Del(skipActivityHeader)
	p.forward(w, r, t, runner)
}

// isPublic takes a sandbox for a private one where the API does not say.
func (p *Proxy) isPublic(r *http.Request, id string) bool {
	public, err := p.api.public(r.Context(), id)
	return public && err == nil
}

// problem is the error body, which is that of Daytona's runner too.
type problem struct {
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
	Code       string `json:"code,omitempty"`
	Timestamp  string `json:"timestamp"`
	Path       string `json:"path"`
	Method     string `json:"method"`
}

func refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	code := strings.ToUpper(strings.ReplaceAll(http.StatusText(status), " ", "_"))
	send(w, status, problem{status, message, code, time.Now().Format(time.RFC3339Nano), r.URL.Path, r.Method})
}

func send(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err) // only our own types are sent, and they always have a JSON form
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a client that is gone learns nothing
}
