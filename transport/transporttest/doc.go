// Package transporttest runs doors for their tests: a server on loopback with a known token, a
// client for it, and actors made of one function.
//
// It is imported from tests only.
//
//	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
//		s.Mount("", runnerapi.Routes(transporttest.AskerFunc(answer), runnerapi.Options{}))
//	})
//	got := c.Do("GET", "/sandboxes/dev-1", "")
package transporttest
