// Package ledger keeps what must survive a restart of the runner.
//
// Below the instances directory it owns
//
//	mappings.json                sandbox id → instance number, a flat JSON object
//	<sandbox id>/instance.json   one [Record]: intent, flags, paths, metadata
//	<sandbox id>/logs/           what cvd said while it launched
//	.outcomes/<job id>.json      one [Outcome]: what the API has not taken yet
//	runner.lock                  held by the one runner that may write here ([Acquire])
//
// Words: a mapping says which sandbox holds which number; a record says what a sandbox is;
// intent is what the last accepted command wants. Intent is written before the act, observed
// state never.
//
// The package refuses to lose what it does not understand: unknown JSON fields survive a
// rewrite, and a file that cannot be read is moved aside, not overwritten. It refuses to be
// fatal: [Ledger.Load] returns what it could read and a list of problems, from which the
// caller rebuilds by looking at the host. Older installations have mappings.json and nothing
// that this package wrote; they load.
//
//	l := ledger.New(files, "/var/lib/cuttlefish/instances")
//	snap, err := l.Load(ctx)
//	err = l.SaveMappings(ctx, map[sandbox.ID]sandbox.Instance{"dev-1": 3})
//	err = l.SaveRecord(ctx, ledger.Record{ID: "dev-1", Intent: sandbox.IntentStarted})
package ledger
