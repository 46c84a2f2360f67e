package cvd

import (
	"context"
	"path"

	"github.com/daytonaio/runner-android/internal/host"
)

const maxLogTail = 128 << 10 // bytes read of the end of a log

// LauncherLogTail returns the last lines of the device's launcher.log as plain text, at most 400
// bytes each; nil when there is no log or it cannot be read.
func LauncherLogTail(ctx context.Context, h host.Files, instanceDir string, lines int) []string {
	return logTail(ctx, h, path.Join(instanceDir, "logs", "launcher.log"), lines)
}

// KernelLogTail returns the last lines of the guest's kernel.log, in the same form.
func KernelLogTail(ctx context.Context, h host.Files, instanceDir string, lines int) []string {
	return logTail(ctx, h, path.Join(instanceDir, "logs", "kernel.log"), lines)
}

// AssembleLogTail returns the last lines of what assembly wrote at the group's latest start, in the
// same form.
func AssembleLogTail(ctx context.Context, h host.Files, groupHome string, lines int) []string {
	return logTail(ctx, h, path.Join(groupHome, "cuttlefish", "assembly", "assemble_cvd.log"), lines)
}

func logTail(ctx context.Context, h host.Files, file string, lines int) []string {
	b, err := h.ReadFile(ctx, file, maxLogTail)
	if err != nil {
		return nil
	}
	return cleanLines(b, lines)
}
