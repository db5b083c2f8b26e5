// Package flashsale sells scarce stock through Redis when everybody arrives at once: it decides, for a crowd, who gets
// a unit, and hands each won order to a database without losing, doubling or overselling one. It is libflashsale.so,
// by cgo; README.md beside this file says how to build against it.
//
//	Pool ---> Controller   create, open, pause ... retire    the operator's side
//	   \----> Gate         reserve, confirm, release ...     the crowd's side
//	    \---> Worker       won orders -> Sink                Redis to the database
//
// Conventions:
//
//   - An Outcome is what a healthy sale answers every day; anything else is an *Error, whose Effect says whether Redis
//     may have been changed. errors.Is(err, ErrUnknown): ask again with the same Request, or Resolve.
//   - Whatever may block takes a context.Context first. Its deadline becomes the call's timeout; a context that is
//     cancelled makes the call return, but does not undo what was sent: that is ErrUnknown.
//   - Everything has a Close, which may be called twice and waits for the calls under way; afterwards all is ErrClosed.
//     The objects hold what they need of each other, so the order of closing is free.
//   - Everything may be used by any number of goroutines. A goroutine that waits costs no OS thread.
//   - Ids have 1 to 64 bytes: a sale's of [A-Za-z0-9_.:-], an item's of [A-Za-z0-9_.-], a buyer's, a request's and an
//     operation's of [A-Za-z0-9_.:@-]. A value out of its bounds is ErrInvalidArgument, with a message that names both.
package flashsale
