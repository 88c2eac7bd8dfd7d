package main

import (
	"net/http"
	"runtime"

	"github.com/gin-gonic/gin"
)

const pageBytes = 4096

func stressCPU(c *gin.Context) error {
	n, err := pathNumber(c, "n", 1, 10_000_000)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"n": n, "result": congruential(n)})
	return nil
}

// congruential returns the n-th number of a linear congruential generator that starts with 1.
func congruential(n int) uint64 {
	result := uint64(1)
	for range n {
		result = (result*1_103_515_245 + 12_345) % (1 << 31)
	}
	return result
}

func stressMemory(c *gin.Context) error {
	mb, err := pathNumber(c, "mb", 1, 256)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"mb": mb, "pages": touchPages(mb)})
	return nil
}

func touchPages(mb int) (pages int) {
	block := make([]byte, mb<<20)
	for at := 0; at < len(block); at += pageBytes {
		block[at] = 1
		pages++
	}
	// Otherwise the compiler could drop writes that are never read.
	runtime.KeepAlive(block)
	return pages
}
