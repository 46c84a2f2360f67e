package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// measureStart weighs the binary and times starts on an empty ledger: from exec until GET /
// is answered, in turns with a bare server.
func measureStart(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	const mib = 1 << 20
	binary, err := os.Stat(filepath.Join(l.bin, "runner-android"))
	if err != nil {
		return nil, nil, err
	}
	var answered pairs
	err = takeTurns(7,
		func() error {
			begin := time.Now()
			r, err := l.startRunner(ctx)
			if err != nil {
				return err
			}
			answered.ours = append(answered.ours, time.Since(begin).Seconds())
			return r.stop(20 * time.Second)
		},
		func() error {
			begin := time.Now()
			b, err := l.startBare(ctx, 100)
			if err != nil {
				return err
			}
			answered.baseline = append(answered.baseline, time.Since(begin).Seconds())
			return b.stop(5 * time.Second)
		})
	if err != nil {
		return nil, nil, errors.Join(errors.New("start and stop"), err)
	}
	return []figure{
		absolute("binary", bytesOf, float64(binary.Size()), atMost(40*mib, 40*mib)),
		compared("exec to first answer", seconds, answered, oursAtMost(0.150)),
	}, nil, nil
}
