console.log("a source")
