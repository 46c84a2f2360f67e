package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fasthttp/websocket"
)

// How often the page is fetched and the signalling opened on each way to the display.
const (
	pageLoads    = 2000
	signalOpens  = 1000
	displayLimit = 2 * time.Minute // of one way's keep-alive connection
)

// measureDisplay fetches a device's page and opens its signalling through the runner, straight from the simulated
// operator, and through nginx, in turns. What the runner and nginx add to the operator's own time is judged.
func measureDisplay(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	var missing error // of nginx
	err = l.withDevice(ctx, func(r *runner, d device) (err error) {
		direct, err := l.operator(d)
		if err != nil {
			return err
		}
		ways := []*way{r.display(d), direct}
		if err := ways[0].ready(ctx); err != nil {
			return err
		}
		nginx, err := l.startNginx(ctx, d, direct)
		switch {
		case isAbsent(err):
			missing = err
		case err != nil:
			return err
		default:
			defer func() { err = errors.Join(err, nginx.stop(5*time.Second)) }()
			ways = append(ways, nginx.way)
		}
		if err := loadPages(ctx, ways, l.count(pageLoads)); err != nil {
			return err
		}
		if err := openSignalling(ctx, ways, l.count(signalOpens)); err != nil {
			return err
		}
		const p50, p99 = 1e-3, 5e-3
		page := func(w *way) []time.Duration { return w.pages }
		signal := func(w *way) []time.Duration { return w.signals }
		figures = []figure{
			added("page, p50 added, beside nginx's", ways, page, 0.5, p50),
			added("page, p99 added, beside nginx's", ways, page, 0.99, p99),
			added("signalling to its first message, p50 added, beside nginx's", ways, signal, 0.5, p50),
			added("signalling to its first message, p99 added, beside nginx's", ways, signal, 0.99, p99),
		}
		notes = []string{fmt.Sprintf("%d pages and %d sockets each way in turns; the operator itself takes %s (p99 %s) and %s (p99 %s)",
			len(direct.pages), len(direct.signals), seconds.format(direct.at(page, 0.5)), seconds.format(direct.at(page, 0.99)),
			seconds.format(direct.at(signal, 0.5)), seconds.format(direct.at(signal, 0.99)))}
		return nil
	})
	return figures, notes, errors.Join(err, missing)
}

// added is what the first way takes more than the second, at a percentile; what the third, if there is one, takes
// more stands beside it and is the aim.
func added(what string, ways []*way, of func(*way) []time.Duration, p, limit float64) figure {
	over := func(w *way) float64 { return w.at(of, p) - ways[1].at(of, p) }
	f := absolute(what, seconds, over(ways[0]), oursAtMost(limit))
	if len(ways) > 2 {
		f.baseline = over(ways[2])
		if f.ours > 0 && f.baseline > 0 { // the tails of two ways may lie closer than chance
			f.ratio = f.ours / f.baseline
		}
		f.budget.aim = min(limit, max(0, f.baseline))
	}
	return f
}

// way is one way to a display, and how long it took each time.
type way struct {
	name, addr       string
	page, signalling string // paths
	pages, signals   []time.Duration
}

// at is a percentile in seconds.
func (w *way) at(of func(*way) []time.Duration, p float64) float64 {
	return percentile(slices.Sorted(slices.Values(of(w))), p).Seconds()
}

// display is the way through the runner.
func (r *runner) display(d device) *way {
	base := "/sandboxes/" + d.ID + "/toolbox/proxy/6080/"
	return &way{name: "the runner", addr: r.addr, page: base, signalling: base + "devices/" + d.ID + "/connect"}
}

// operator is the way to the display that has nothing between.
func (l *lab) operator(d device) (*way, error) {
	for _, kv := range l.env {
		if at, ok := strings.CutPrefix(kv, "CVD_OPERATOR_URL="); ok {
			base, err := url.Parse(at)
			if err != nil {
				return nil, err
			}
			return &way{
				name: "the operator", addr: base.Host,
				page: "/devices/" + d.ID + "/files/client.html", signalling: "/devices/" + d.ID + "/connect",
			}, nil
		}
	}
	return nil, errors.New("the host exports no CVD_OPERATOR_URL")
}

// target asks for the page.
func (w *way) target() target {
	return target{w.addr, rawRequest(http.MethodGet, w.page, ""), func(body []byte) error {
		if !bytes.Contains(body, []byte("<head")) {
			return fmt.Errorf("%s: no page but %.200s", w.name, body)
		}
		return nil
	}}
}

// ready waits until the page is served: a device registers its display when it has booted.
func (w *way) ready(ctx context.Context) error {
	return await(ctx, 20*time.Second, 20*time.Millisecond, "the page through "+w.name, func() error {
		conn, err := dial(ctx, w.target(), 20*time.Second)
		if err != nil {
			return err
		}
		defer conn.close()
		return conn.exchange()
	})
}

// inTurns calls do for each way n times; who goes first changes. The first round warms up and is to be dropped.
func inTurns(ways []*way, n int, do func(i int, w *way) error) error {
	for round := range n + 1 {
		for k := range ways {
			i := (k + round) % len(ways)
			if err := do(i, ways[i]); err != nil {
				return fmt.Errorf("%s: %w", ways[i].name, err)
			}
		}
	}
	for _, w := range ways {
		w.dropWarmUp()
	}
	return nil
}

// dropWarmUp forgets the first value of what was measured last.
func (w *way) dropWarmUp() {
	if len(w.signals) > 0 {
		w.signals = w.signals[1:]
		return
	}
	w.pages = w.pages[1:]
}

// loadPages fetches the page over and over on one connection each.
func loadPages(ctx context.Context, ways []*way, n int) error {
	var conns []*wire
	defer func() {
		for _, conn := range conns {
			conn.close()
		}
	}()
	for _, w := range ways {
		conn, err := dial(ctx, w.target(), displayLimit)
		if err != nil {
			return err
		}
		conns = append(conns, conn)
	}
	return inTurns(ways, n, func(i int, w *way) error {
		began := time.Now()
		err := conns[i].exchange()
		w.pages = append(w.pages, time.Since(began))
		return err
	})
}

// openSignalling opens the signalling over and over, each time to the device's first message.
func openSignalling(ctx context.Context, ways []*way, n int) error {
	return inTurns(ways, n, func(_ int, w *way) error {
		began := time.Now()
		conn, err := w.open(ctx)
		if err != nil {
			return err
		}
		w.signals = append(w.signals, time.Since(began))
		return hangUp(conn)
	})
}

// open connects to the signalling and takes its first message. The caller closes the connection.
func (w *way) open(ctx context.Context) (*websocket.Conn, error) {
	dialer := websocket.Dialer{HandshakeTimeout: 20 * time.Second, ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10}
	header := http.Header{"Authorization": {"Bearer " + token}}
	conn, resp, err := dialer.DialContext(ctx, "ws://"+w.addr+w.signalling, header) //nolint:bodyclose // it has none
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("%w: %s", err, resp.Status)
		}
		return nil, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, message, err := conn.ReadMessage()
	if err == nil && !bytes.Contains(message, []byte(`"device_info"`)) {
		err = fmt.Errorf("the first message is %.200s", message)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	_ = conn.SetReadDeadline(time.Time{})
	return conn, nil
}

// hangUp closes the way that browsers do, and waits for the answer: what it costs falls on nobody's next turn.
func hangUp(conn *websocket.Conn) error {
	defer func() { _ = conn.Close() }()
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(5*time.Second)); err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			var closed *websocket.CloseError
			if errors.As(err, &closed) {
				return nil
			}
			return err
		}
	}
}
