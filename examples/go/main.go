// A small purchase service in Go: the paths of ../server/openapi.yaml that a buyer and the machines around it use.
//
//	shop [-listen ADDRESS] [-redis URL]
//
// It prints the address it listens on, and ends on SIGINT or SIGTERM once the requests under way are answered. Sales
// are made by whoever operates them (`flashsale create`), and a worker (`flashsale work`) carries the orders away.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"flashsale"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to serve on")
	redis := flag.String("redis", "redis://127.0.0.1:6379", "URL of the Redis that has the sales")
	flag.Parse()
	if err := serve(*listen, *redis); err != nil {
		log.Fatal(err)
	}
}

func serve(listen, redis string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	shop, err := newShop(redis)
	if err != nil {
		return err
	}
	defer shop.close()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           shop,
		MaxHeaderBytes:    8 << 10,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	go func() { _ = flashsale.Log(ctx, func(l flashsale.LogLevel, line string) { log.Println(l, line) }) }()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Println("listening on http://" + listener.Addr().String())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Shutdown(patience)
}
