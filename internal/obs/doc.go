// Package obs builds what the runner is observed with: the logger, the metrics registry, and
// the facts about this build; and it owns the names that log fields go by.
//
// Words: a field name is a constant of this package, so that a line can be counted and found
// whatever component wrote it; an error id is the short random word that a client sees and an
// operator searches for.
//
// The package refuses to hold a global logger or registry: both are made once in main and
// handed down. A metrics struct lives with the component that moves it.
//
//	log := obs.NewLogger(cfg.LogLevel, os.Stderr)
//	log.Info("state changed", zap.String(obs.SandboxID, id), zap.String(obs.To, "started"))
package obs
