module gopherwood.test/godoc

go 1.22
