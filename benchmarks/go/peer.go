package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"strconv"

	"flashsale"
	"flashsale/redistest"
)

// What a careful engineer writes instead: each worker has a connection, and sends one EVALSHA a purchase.

const script = "../../lua/reserve.lua"

// peer gives each goroutine a connection of its own.
func peer(redis *redistest.Server) (func() buy, func()) {
	loader := dial(redis.Socket)
	text := flashsale.Must(os.ReadFile(script))
	sha := string(loader.ask("SCRIPT", "LOAD", string(text))[0])
	terms := loader.ask("HMGET", "fs:{bench}:meta", "epoch", "uuid")
	epoch, uuid := string(terms[0]), string(terms[1])
	each := func() buy {
		c := dial(redis.Socket)
		return func(buyer, request string) bool {
			nonce := strconv.FormatUint(rand.Uint64(), 10)
			body := "1 1 0 " + request + " " + string(payload)
			header := string([]byte{1, 0, 0, 1, 5, byte(len(buyer)), byte(len(request)), 0, byte(len(body) >> 8), byte(len(body))})
			reply := c.ask("EVALSHA", sha, "3", "fs:{bench}:meta", "fs:{bench}:buyers", "fs:{bench}:journal",
				epoch, uuid, "9000000000000", nonce, "0", header, buyer+request, body)
			if string(reply[0]) != nonce || string(reply[1]) != "ok" {
				need(fmt.Errorf("the script says %q", reply))
			}
			return reply[4][0] == 'a'
		}
	}
	return each, func() { loader.conn.Close() }
}

// client is one connection.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	line []byte
}

func dial(socket string) *client {
	conn := flashsale.Must(net.Dial("unix", socket))
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 4096)}
}

// ask sends a command and returns its reply: an array's elements, or a single one.
func (c *client) ask(words ...string) [][]byte {
	c.out = strconv.AppendInt(append(c.out[:0], '*'), int64(len(words)), 10)
	c.out = append(c.out, "\r\n"...)
	for _, word := range words {
		c.out = strconv.AppendInt(append(c.out, '$'), int64(len(word)), 10)
		c.out = append(append(append(c.out, "\r\n"...), word...), "\r\n"...)
	}
	_, err := c.conn.Write(c.out)
	need(err)
	kind, rest := c.header()
	if kind != '*' {
		return [][]byte{c.element(kind, rest)}
	}
	reply := make([][]byte, flashsale.Must(strconv.Atoi(string(rest))))
	for i := range reply {
		reply[i] = c.element(c.header())
	}
	return reply
}

func (c *client) header() (byte, []byte) {
	line, err := c.in.ReadSlice('\n')
	need(err)
	c.line = append(c.line[:0], line[1:len(line)-2]...)
	return line[0], c.line
}

func (c *client) element(kind byte, rest []byte) []byte {
	switch kind {
	case '$':
		value := make([]byte, flashsale.Must(strconv.Atoi(string(rest)))+2)
		_, err := io.ReadFull(c.in, value)
		need(err)
		return value[:len(value)-2]
	case '-':
		need(fmt.Errorf("redis says %s", rest))
	}
	return append([]byte(nil), rest...)
}
