"""The command line: each command parses, calls the library and shows what it gives.

    arguments ──▶ library ──▶ standard output; all that is not the result ──▶ standard error

parts           which part of a text models were trained on, how it was read, what was changed
insights        the ways of `charrnn inspect` that measure
scored          texts as language models score them, for `charrnn eval`
forecasts       how series go on, for `charrnn predict`
sample_options  what `charrnn sample` takes beyond settings, and what excludes what
train           a text to a model
sample          a model to new text
evaluate        how well models predict a text, or answer: `charrnn eval`
score           the same for each line of standard input
predict         what a model for a task answers
inspect         what a model's units do, and what mattered to it
serve           models behind an API
export          a model as a web page, a script or an ONNX graph
info            a model's facts and the curve of its losses
plot            training curves as a picture
list            the models in checkpoints/
verify          whether a model folder is intact
corpora         the texts and examples that come with charrnn
cache           what is kept on disk
push            a model to the Hugging Face hub
app             the `charrnn` command: all of these together, and how each ends

Nothing is imported for a command but what it needs; PyTorch only to train and to evaluate.
"""
