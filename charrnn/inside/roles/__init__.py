"""What each unit of a model stands for.

    model, text ──roles──▶ of each unit: the feature it follows, and what is lost without it

features    simple features of a text: quotes, brackets, lines, words
following   how closely units follow features
ablation    what a model loses without a unit
findings    what each unit stands for
"""
