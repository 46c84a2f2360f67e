// Package packages is the package manager of the simulated guest: which apps are installed.
//
// Words: a [Package] is an app that is installed, as it is now; a *system* package comes with the
// image and has no file; a *session* is an install on its way: files staged in the guest until it is
// committed or abandoned; a [Failure] is why Android refuses, with its own code.
//
//	m, err := packages.Open(packages.Options{Files: root, SDK: 35})
//	...
//	id, err := m.Create(packages.Install{Size: size})
//	n, err := m.Write(ctx, id, "base.apk", size, r)
//	p, err := m.Commit(id)
//
// The apps are files: /data/app/~~…/PKG-…/base.apk and split_*.apk are the truth that is read again at
// each boot, /data/data/PKG is theirs. What no APK says (uids, grants, times) is in
// /data/system/packages.json. Sessions end with the boot. An APK is never held in memory.
package packages
