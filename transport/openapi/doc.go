// Package openapi is the HTTP API as an OpenAPI 3.1 document, for client generators and people: written
// by hand in document, embedded, and served with the version of this build. Its files are one document, cut into
// pieces that can be read: they are joined in the order of their names.
//
// Its tests hold it against the specification of OpenAPI and against the route tables, both ways: a
// route that is not described fails, and so does a description of a route that is not there.
// docs/api.md tells the same with examples.
//
//	srv.Mount("", openapi.Routes(version))
package openapi
