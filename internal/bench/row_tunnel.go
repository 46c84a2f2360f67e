package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/relay"
)

// The tunnel's transfers: adb push and pull of one file of this size, in pairs.
const (
	tunnelBytes = 128 << 20
	tunnelPairs = 6
)

// guestPort is where the guest counts what is posted to /upload.
const guestPort = "8080"

// measureTunnel posts to a port of the guest through adb-forward and the tunnel, in turns with adb's own forward, which
// is the direct way there. Beside it the system's adb pushes and pulls through the tunnel and on the device itself:
// it waits for an answer to each packet, so that each hop on this machine costs it a change of process; what two
// relays cost that do nothing but copy says how much of that is the tunnel's.
func measureTunnel(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withRivals(ctx, func(r *runner, d device, direct *adb) (err error) {
		posts, err := l.posts(ctx, r, d, direct)
		if err != nil {
			return err
		}
		tunnelled, stop, err := l.forward(ctx, r, d, direct)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		relayed, stopRelays, err := relays(ctx, direct)
		if err != nil {
			return err
		}
		defer stopRelays()
		size := int64(tunnelBytes / l.divisor)
		file, err := l.noise("tunnelled", size)
		if err != nil {
			return err
		}
		growth, stopWatching := r.watchGrowth(ctx)
		var push, pull [3][]float64
		for i := range l.count(tunnelPairs) {
			for n := range 3 {
				n = (n + i) % 3 // who goes first changes
				a := []*adb{tunnelled, direct, relayed}[n]
				err = errors.Join(
					timed(&push[n], func() error { return a.run(ctx, "push", file, inGuest+"tunnelled") }),
					timed(&pull[n], func() error { return a.run(ctx, "pull", inGuest+"tunnelled", l.path("pulled")) }))
				if err != nil {
					stopWatching()
					return err
				}
			}
		}
		stopWatching()
		rates := func(times [3][]float64, baseline int) pairs {
			return pairs{slices.Clone(times[0]), slices.Clone(times[baseline])}.rates(size)
		}
		figures = []figure{
			compared("post to a port, bytes/s against adb forward", bytesOf, posts, atLeast(0.8, 1.0)),
			compared("adb push, bytes/s against the device itself", bytesOf, rates(push, 1), budget{}),
			compared("adb pull, bytes/s against the device itself", bytesOf, rates(pull, 1), budget{}),
			compared("adb push, against two bare relays in its place", bytesOf, rates(push, 2), budget{}),
			compared("adb pull, against two bare relays in its place", bytesOf, rates(pull, 2), budget{}),
			absolute("resident memory grew by", bytesOf, float64(growth.Load()), atMost(32<<20, 16<<20)),
		}
		notes = []string{fmt.Sprintf("%d turns of %d MiB each way; adb, adb-forward, runner and device share this machine", len(push[0]), size>>20)}
		return nil
	})
	return figures, notes, err
}

// posts are the rates of what is posted to a port of the guest, through the tunnel and through adb's forward.
func (l *lab) posts(ctx context.Context, r *runner, d device, a *adb) (took pairs, err error) {
	ours, stop, err := l.startForward(ctx, r, d, "--tcp", guestPort)
	if err != nil {
		return took, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	said, err := a.command(ctx, "-s", a.serial, "forward", "tcp:0", "tcp:"+guestPort).Output()
	if err != nil {
		return took, fmt.Errorf("adb forward: %w", err)
	}
	theirs := net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(said)))
	size := int64(tunnelBytes / l.divisor)
	post := func(addr string) error {
		body := io.LimitReader(rand.NewChaCha8([32]byte{}), size)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/upload", body)
		if err != nil {
			return err
		}
		req.ContentLength = size
		resp, err := r.send(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	err = takeTurns(l.count(tunnelPairs),
		func() error { return timed(&took.ours, func() error { return post(ours) }) },
		func() error { return timed(&took.baseline, func() error { return post(theirs) }) })
	return took.rates(size), err
}

// relays puts two relays that only copy before the device, and connects adb's server to them.
func relays(ctx context.Context, a *adb) (*adb, func(), error) {
	near, err := bareRelay(ctx, a.serial)
	if err != nil {
		return nil, nil, err
	}
	far, err := bareRelay(ctx, near.Addr().String())
	if err != nil {
		_ = near.Close()
		return nil, nil, err
	}
	relayed := &adb{path: a.path, port: a.port, serial: far.Addr().String(), env: a.env, server: a.server}
	stop := func() {
		_ = far.Close()
		_ = near.Close()
	}
	if err := relayed.reconnect(ctx); err != nil {
		stop()
		return nil, nil, err
	}
	return relayed, stop, nil
}

// bareRelay copies between its connections and those it makes to an address.
func bareRelay(ctx context.Context, to string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				guest, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
				if err != nil {
					return
				}
				defer guest.Close()
				relay.Join(client, func() { _ = client.SetReadDeadline(time.Now()) }, guest)
			}()
		}
	}()
	return listener, nil
}

// startForward starts adb-forward, which listens at the address returned.
func (l *lab) startForward(ctx context.Context, r *runner, d device, more ...string) (addr string, stop func() error, err error) {
	if addr, err = freeAddress(ctx); err != nil {
		return "", nil, err
	}
	env := append(append([]string{}, l.env...), "API_TOKEN="+token)
	args := append([]string{"adb-forward", "--api", "http://" + r.addr, "--token-env", "API_TOKEN", "--listen", addr}, more...)
	c, err := startChild(ctx, l.path("forward.log"), env, filepath.Join(l.bin, "runner-android"), append(args, d.ID)...)
	if err != nil {
		return "", nil, err
	}
	err = await(ctx, 20*time.Second, 10*time.Millisecond, "adb-forward listens", func() error {
		if ended := c.ended(); ended != nil {
			return finalError{ended}
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	stop = func() error { return c.stop(5 * time.Second) }
	if err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return addr, stop, nil
}

// forward starts adb-forward and connects adb's server to it: the same adb with another serial.
func (l *lab) forward(ctx context.Context, r *runner, d device, a *adb) (*adb, func() error, error) {
	addr, stop, err := l.startForward(ctx, r, d)
	if err != nil {
		return nil, nil, err
	}
	tunnelled := &adb{path: a.path, port: a.port, serial: addr, env: a.env, server: a.server}
	if err := tunnelled.reconnect(ctx); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return tunnelled, stop, nil
}

// reconnect connects adb's server to the serial and waits for the device.
func (a *adb) reconnect(ctx context.Context) error {
	return await(ctx, 20*time.Second, 50*time.Millisecond, "adb connects to "+a.serial, func() error {
		said, err := a.command(ctx, "connect", a.serial).CombinedOutput()
		if err == nil && !strings.Contains(string(said), "connected to") {
			err = fmt.Errorf("adb connect said %q", said)
		}
		if err != nil {
			return err
		}
		return a.shellTrue(ctx)
	})
}
