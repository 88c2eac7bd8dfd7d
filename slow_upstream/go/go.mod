module slow-upstream

go 1.22
