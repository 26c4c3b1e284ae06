"""How a model travels: as one page, as a script, as an ONNX graph.

    model folder ──packing──▶ bytes ──bundle──▶ text ──page──▶ novel.html, novel.js

packing     weights as bytes with a scale for each row, or as they are
wasm        the matrix product of the page in WebAssembly
bundle      a model as text: weights, vocabulary, self-test, model folder
page        the page and the script that hold it
onnx_graph  a model as an ONNX graph
publishing  a model and its page on the Hugging Face hub
llm_models  models in the program `llm`, as its plug-in
"""
