// Package s3 is the object store of the demo: gofakes3's S3 over a directory with one bucket, on a loopback port.
//
// Words: an *object* is a file below the bucket's directory, whose path is its key; what no file says of it (its metadata,
// its MD5) is in a second tree beside. A *part* of a multipart upload is a file until the upload is completed, so that the
// store needs no more memory for a large object than for a small one.
//
// Checked with gofakes3 1.2.0. The package refuses what that lacks: signatures are not looked at (any key will do),
// checksums but for Content-MD5 are neither checked nor returned, versions fail; conditions hold for PutObject and
// not for the end of a multipart upload. UploadPartCopy, which it lacks too, is the package's own. Zeros take no room on the disk. A key whose file another key needs as a directory
// ("a" and "a/b") is refused too.
//
//	store, err := s3.Open(dir, "snapshots")
//	...
//	err = s3.Serve(ctx, listener, store)
package s3
