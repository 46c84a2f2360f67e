package simhost

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/daytonaio/runner-android/internal/sim/loopback"
	"github.com/daytonaio/runner-android/internal/sim/s3"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// usualStorePort is where self-hosted object stores are, minio first of all.
const usualStorePort = 9000

// The bucket of the demo, and a key for it. Nobody checks the key.
const (
	Bucket      = "android-snapshots"
	storeKey    = "demo-access-key"
	storeSecret = "demo-secret-key"
	storeRegion = "us-east-1"
)

// objectStore is the S3 that the command will meet.
type objectStore struct {
	env  []string // what the command learns of it
	hint string   // what the ready line says
	stop func() error
}

// startStore starts the object store below the root, unless the caller's environment names one or, by a variable that is
// set to nothing, none. It leaves apiPort to the command. The store ends with stop.
func startStore(root *simroot.Root, lookup func(string) (string, bool), apiPort int) (objectStore, error) {
	nothing := func() error { return nil }
	if url, set := lookup("AWS_ENDPOINT_URL"); url != "" {
		return objectStore{hint: "s3 $AWS_ENDPOINT_URL  ", stop: nothing}, nil
	} else if set {
		return objectStore{stop: nothing}, nil
	}
	store, err := s3.Open(filepath.Join(root.Dir, "s3"), Bucket)
	if err != nil {
		return objectStore{}, err
	}
	const what, risk = "the object store", "read and write its objects"
	address := fmt.Sprintf("127.0.0.1:%d", usualStorePort)
	if apiPort == usualStorePort {
		address = "127.0.0.1:0"
	}
	listener, err := loopback.Listen(what, risk, address)
	if err != nil {
		if listener, err = loopback.Listen(what, risk, "127.0.0.1:0"); err != nil {
			return objectStore{}, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s3.Serve(ctx, listener, store) }()
	url := "http://" + listener.Addr().String()
	return objectStore{
		env: []string{
			"AWS_ENDPOINT_URL=" + url, "AWS_ACCESS_KEY_ID=" + storeKey, "AWS_SECRET_ACCESS_KEY=" + storeSecret,
			"AWS_REGION=" + storeRegion, "AWS_DEFAULT_BUCKET=" + Bucket,
		},
		hint: fmt.Sprintf("s3 %s/%s  ", url, Bucket),
		stop: func() error { cancel(); return <-ended },
	}, nil
}
