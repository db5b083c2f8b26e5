// Package redistest starts private Redis servers for tests and benchmarks.
package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Program is the path of the "server" or "cli" in the folder that FLASHSALE_TEST_REDIS names, of Redis or of Valkey;
// where that is not set, the name of the system's.
func Program(part string) (string, error) {
	folder := os.Getenv("FLASHSALE_TEST_REDIS")
	if folder == "" {
		return "redis-" + part, nil
	}
	for _, kind := range []string{"redis-", "valkey-"} {
		if path, err := exec.LookPath(filepath.Join(folder, kind+part)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("FLASHSALE_TEST_REDIS: %s has neither redis-%s nor valkey-%s", folder, part, part)
}

// Server is a redis-server of this process alone: on a unix socket in a folder of its own, storing nothing.
type Server struct {
	URL    string // redis+unix://...
	Socket string
	folder string
	server *exec.Cmd
	ended  chan struct{}
}

// Start starts one and waits until it answers. It ends by Stop, or with this process, however that ends.
func Start() (*Server, error) {
	program, err := Program("server")
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "flashsale-go-")
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, Socket: filepath.Join(folder, "redis.sock"), ended: make(chan struct{})}
	s.URL = "redis+unix://" + s.Socket
	s.server = exec.Command(program, "--port", "0", "--unixsocket", s.Socket, "--dir", folder, "--save", "")
	s.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the server dies with the thread that started it, which is therefore kept
		err := s.server.Start()
		started <- err
		if err == nil {
			_ = s.server.Wait()
		}
		close(s.ended)
	}()
	if err = <-started; err == nil {
		err = s.wait()
	}
	if err != nil {
		os.RemoveAll(folder)
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return s, nil
}

func (s *Server) wait() error {
	for {
		if c, err := net.Dial("unix", s.Socket); err == nil {
			return c.Close()
		}
		select {
		case <-s.ended:
			return errors.New("it does not start")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Command has it run one command of words without blanks.
func (s *Server) Command(words ...string) error {
	c, err := net.Dial("unix", s.Socket)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err = fmt.Fprintf(c, "%s\r\n", strings.Join(words, " ")); err != nil {
		return err
	}
	reply, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && strings.HasPrefix(reply, "-") {
		err = errors.New(strings.TrimSpace(reply))
	}
	return err
}

// Freeze makes it silent, until Thaw.
func (s *Server) Freeze() error { return s.server.Process.Signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Server) Thaw() error { return s.server.Process.Signal(syscall.SIGCONT) }

// Stop ends it and removes its folder.
func (s *Server) Stop() {
	_ = s.server.Process.Kill()
	<-s.ended
	os.RemoveAll(s.folder)
}
