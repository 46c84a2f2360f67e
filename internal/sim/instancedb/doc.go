// Package instancedb is the book-keeping of the simulated cvd: the instance database and the locks
// of the instance numbers, in the files and formats of android-cuttlefish, so that a reader of the
// real files can be pointed at them.
//
// Words: a *group* has instances; an *instance* has a number, unique on the host, and a *state*,
// which is what cvd last knew. The database is a protobuf message (cuttlefish.cvd.PersistentData,
// cvd_persistent_data.proto of android-cuttlefish at 1.40) that each process reads and writes under
// flock, held for the moment of access only. A *lock file* holds one byte, "I" while its number is in
// use, and is flocked while a number is being chosen.
//
// As in cvd, a damaged database reads as whatever still parses.
//
//	err := instancedb.Open(root.Database()).Update(func(d *instancedb.Data) error {
//		d.Groups = append(d.Groups, group)
//		return nil
//	})
package instancedb
