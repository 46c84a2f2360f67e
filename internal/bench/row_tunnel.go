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
	farPairs    = 3 // over a link, where the machine has little part in it
)

// guestPort is where the guest counts what is posted to /upload.
const guestPort = "8080"

// measureTunnel moves bytes through adb-forward and the tunnel, in turns with adb itself: posts to a port of the guest, pushes
// and pulls. First over a link as it is between two machines, which is what a tunnel is for. Then with everything on
// this machine, where whoever copies once more has less of its processors for the rest: what two relays cost that do nothing
// but copy says how much of that is the tunnel's.
func measureTunnel(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	size := int64(tunnelBytes / l.divisor)
	file, err := l.noise("tunnelled", size)
	if err != nil {
		return nil, nil, err
	}
	err = l.withRivals(ctx, func(r *runner, d device, direct *adb) error {
		growth, stopWatching := r.watchGrowth(ctx)
		defer stopWatching()
		far, err := l.farTunnel(ctx, r, d, direct, file, size)
		if err != nil {
			return fmt.Errorf("over a link: %w", err)
		}
		near, err := l.nearTunnel(ctx, r, d, direct, file, size)
		if err != nil {
			return err
		}
		figures = append(slices.Concat(far, near), absolute("resident memory grew by", bytesOf, float64(growth.Load()), atMost(32<<20, 16<<20)))
		notes = []string{fmt.Sprintf("%d turns of %d MiB each way, %d over the link, which has 1 Gbit/s and 2 ms there and back; without it adb, adb-forward, runner and device share this machine",
			l.count(tunnelPairs), size>>20, l.count(farPairs))}
		return nil
	})
	return figures, notes, err
}

// farTunnel measures with a link between this machine and the runner's, whose devices adb reaches over a link as well.
func (l *lab) farTunnel(ctx context.Context, r *runner, d device, a *adb, file string, size int64) (figures []figure, err error) {
	toRunner, err := startLink(ctx, r.addr)
	if err != nil {
		return nil, err
	}
	defer toRunner.stop()
	toDevice, err := startLink(ctx, a.serial)
	if err != nil {
		return nil, err
	}
	defer toDevice.stop()
	direct := a.at(toDevice.addr())
	if err := direct.reconnect(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, direct.disconnect(ctx)) }()
	posts, err := l.posts(ctx, farPairs, r, toRunner.addr(), d, direct, size)
	if err != nil {
		return nil, err
	}
	tunnelled, stop, err := l.forward(ctx, toRunner.addr(), d, direct)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	push, pull, err := l.transfers(ctx, farPairs, file, tunnelled, direct)
	if err != nil {
		return nil, err
	}
	return []figure{
		compared("over a link: post to a port, against adb forward", bytesOf, posts, atLeast(0.8, 1.0)),
		compared("over a link: adb push, against adb connect", bytesOf, pairs{push[0], push[1]}.rates(size), atLeast(0.8, 1.0)),
		compared("over a link: adb pull, against adb connect", bytesOf, pairs{pull[0], pull[1]}.rates(size), atLeast(0.8, 1.0)),
	}, nil
}

// nearTunnel measures with all on this machine.
func (l *lab) nearTunnel(ctx context.Context, r *runner, d device, direct *adb, file string, size int64) (figures []figure, err error) {
	posts, err := l.posts(ctx, tunnelPairs, r, r.addr, d, direct, size)
	if err != nil {
		return nil, err
	}
	tunnelled, stop, err := l.forward(ctx, r.addr, d, direct)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	relayed, stopRelays, err := relays(ctx, direct)
	if err != nil {
		return nil, err
	}
	defer stopRelays()
	push, pull, err := l.transfers(ctx, tunnelPairs, file, tunnelled, direct, relayed)
	if err != nil {
		return nil, err
	}
	rates := func(times [][]float64, baseline int) pairs {
		return pairs{slices.Clone(times[0]), slices.Clone(times[baseline])}.rates(size)
	}
	return []figure{
		compared("on this machine: post to a port, against adb forward", bytesOf, posts, budget{}),
		compared("on this machine: adb push, against the device itself", bytesOf, rates(push, 1), budget{}),
		compared("on this machine: adb pull, against the device itself", bytesOf, rates(pull, 1), budget{}),
		compared("on this machine: adb push, against two bare relays", bytesOf, rates(push, 2), budget{}),
		compared("on this machine: adb pull, against two bare relays", bytesOf, rates(pull, 2), budget{}),
	}, nil
}

// transfers are the seconds that pushes and pulls of a file took on each of the ways, which take turns.
func (l *lab) transfers(ctx context.Context, turns int, file string, ways ...*adb) (push, pull [][]float64, err error) {
	push, pull = make([][]float64, len(ways)), make([][]float64, len(ways))
	for i := range l.count(turns) {
		for n := range ways {
			n = (n + i) % len(ways) // who goes first changes
			err = errors.Join(
				timed(&push[n], func() error { return ways[n].run(ctx, "push", file, inGuest+"tunnelled") }),
				timed(&pull[n], func() error { return ways[n].run(ctx, "pull", inGuest+"tunnelled", l.path("pulled")) }))
			if err != nil {
				return nil, nil, err
			}
		}
	}
	return push, pull, nil
}

// posts are the rates of what is posted to a port of the guest, through the tunnel of the runner at an address and through adb's
// forward.
func (l *lab) posts(ctx context.Context, turns int, r *runner, addr string, d device, a *adb, size int64) (took pairs, err error) {
	ours, stop, err := l.startForward(ctx, addr, d, "--tcp", guestPort)
	if err != nil {
		return took, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	said, err := a.command(ctx, "-s", a.serial, "forward", "tcp:0", "tcp:"+guestPort).Output()
	if err != nil {
		return took, fmt.Errorf("adb forward: %w", err)
	}
	theirs := net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(said)))
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
	err = takeTurns(l.count(turns),
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
	relayed := a.at(far.Addr().String())
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

// startForward starts adb-forward to the runner at an address, which listens at the address returned.
func (l *lab) startForward(ctx context.Context, runner string, d device, more ...string) (addr string, stop func() error, err error) {
	if addr, err = freeAddress(ctx); err != nil {
		return "", nil, err
	}
	env := append(append([]string{}, l.env...), "API_TOKEN="+token)
	args := append([]string{"adb-forward", "--api", "http://" + runner, "--token-env", "API_TOKEN", "--listen", addr}, more...)
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
func (l *lab) forward(ctx context.Context, runner string, d device, a *adb) (*adb, func() error, error) {
	addr, stop, err := l.startForward(ctx, runner, d)
	if err != nil {
		return nil, nil, err
	}
	tunnelled := a.at(addr)
	if err := tunnelled.reconnect(ctx); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return tunnelled, stop, nil
}

// at is the same adb with another serial.
func (a *adb) at(serial string) *adb {
	return &adb{path: a.path, port: a.port, serial: serial, env: a.env, server: a.server}
}

// disconnect has adb's server leave the serial.
func (a *adb) disconnect(ctx context.Context) error {
	if out, err := a.command(ctx, "disconnect", a.serial).CombinedOutput(); err != nil {
		return fmt.Errorf("adb disconnect %s: %w: %s", a.serial, err, out)
	}
	return nil
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
