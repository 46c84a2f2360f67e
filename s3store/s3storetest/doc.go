// Package s3storetest starts S3 servers for tests, and puts faults between them and their clients.
//
// Start runs versitygw, which verifies signatures and checksums and copies parts, as a process of
// its own; it is built once from tools/versitygw into the Go tool's cache, which takes a minute or more. Light
// is gofakes3 within the test, which does none of that. Between them and a client stands, where a test wants it,
// a Proxy that answers, damages, delays and breaks off requests.
//
//	server := s3storetest.Start(t)
//	proxy := server.Proxy(t)
//	proxy.Add(s3storetest.Fault{Op: "UploadPart", Times: 2, Status: 503, Code: "SlowDown"})
//	store, err := s3store.Open(s3store.Options{Endpoint: proxy.Endpoint, Bucket: server.Bucket, …})
//
// Only tests import it. It knows nothing of s3store.
package s3storetest
