package simhost

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/daytonaio/runner-android/internal/sim/daytona"
	"github.com/daytonaio/runner-android/internal/sim/ingress"
)

// usualDaytonaPort is where Daytona's own development set-up has its API.
const usualDaytonaPort = 3000

// controlPlane is the Daytona that the command will meet.
type controlPlane struct {
	env  []string // what the command learns of it
	hint string   // what the ready line says
	// display is what it says of the screens of devices, in front of that
	display string
	stop    func() error
}

// startControlPlane starts the doubles of Daytona's control plane and of its proxy, unless the caller's environment names
// a Daytona, or names none by a variable that is set to nothing. It leaves apiPort to the command. The
// doubles end with stop.
func startControlPlane(lookup func(string) (string, bool), apiPort int, scale float64) (controlPlane, error) {
	nothing := func() error { return nil }
	name, named, declined := chosenDaytona(lookup)
	switch {
	case named:
		return controlPlane{hint: "daytona $" + name, stop: nothing}, nil
	case declined:
		return controlPlane{hint: "not registered with Daytona (REST only)", stop: nothing}, nil
	}
	listener, err := listenBeside(apiPort)
	if err != nil {
		return controlPlane{}, err
	}
	front, err := listenForUsers(apiPort)
	if err != nil {
		return controlPlane{}, errors.Join(err, listener.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	proxyURL := "http://" + front.Addr().String()
	server := daytona.New(daytona.Options{Token: runnerToken(lookup), Scale: scale, ProxyURL: proxyURL})
	proxy := ingress.New(ingress.Options{APIURL: daytona.URL(listener), Key: daytona.DefaultProxyKey})
	go func() { ended <- server.Serve(ctx, listener) }()
	go func() { ended <- proxy.Serve(ctx, front) }()
	env := []string{"DAYTONA_API_URL=" + daytona.URL(listener)}
	if domain, _ := lookup("RUNNER_DOMAIN"); domain == "" {
		env = append(env, "RUNNER_DOMAIN=127.0.0.1")
	}
	return controlPlane{
		env:     env,
		hint:    fmt.Sprintf("proxy %s  daytona http://%s", proxyURL, listener.Addr()),
		display: fmt.Sprintf("display http://6080-<id>.proxy.localhost:%d/  ", front.Addr().(*net.TCPAddr).Port),
		stop:    func() error { cancel(); return errors.Join(<-ended, <-ended) },
	}, nil
}

// listenBeside listens on the usual port, or on any free one where that is taken or the command's.
func listenBeside(apiPort int) (net.Listener, error) {
	if apiPort != usualDaytonaPort {
		if listener, err := daytona.Listen(fmt.Sprintf("127.0.0.1:%d", usualDaytonaPort)); err == nil {
			return listener, nil
		}
	}
	return daytona.Listen("127.0.0.1:0")
}

// listenForUsers does the same for the proxy.
func listenForUsers(apiPort int) (net.Listener, error) {
	if ingress.UsualAddress == fmt.Sprintf("127.0.0.1:%d", apiPort) {
		return ingress.Listen("127.0.0.1:0")
	}
	return ingress.ListenUsual()
}

// chosenDaytona finds the variable by which the caller names a Daytona; declined is one set to nothing.
func chosenDaytona(lookup func(string) (string, bool)) (name string, named, declined bool) {
	for _, name := range []string{"DAYTONA_API_URL", "SERVER_URL"} {
		url, set := lookup(name)
		if url != "" {
			return name, true, false
		}
		declined = declined || set
	}
	return "", false, declined
}

// runnerToken is the bearer token that the command will have.
func runnerToken(lookup func(string) (string, bool)) string {
	for _, name := range []string{"DAYTONA_RUNNER_TOKEN", "API_TOKEN"} {
		if token, _ := lookup(name); token != "" {
			return token
		}
	}
	return DefaultToken
}
