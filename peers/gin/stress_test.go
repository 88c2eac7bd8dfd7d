package main

import "testing"

func TestCongruentialNumbers(t *testing.T) {
	for n, want := range map[int]uint64{1: 1_103_527_590, 2: 377_401_575, 3: 662_824_084} {
		if got := congruential(n); got != want {
			t.Errorf("number %d is %d, want %d", n, got, want)
		}
	}
}

func TestEveryPageIsTouched(t *testing.T) {
	if got := touchPages(3); got != 768 {
		t.Errorf("%d pages in 3 MiB, want 768", got)
	}
}
