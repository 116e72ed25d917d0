from collections import Counter

from evalkit.datasets import thirty_words as topics

WORDS = {
    "finance": "bank, mortgage, money, investment, loan, credit application",
    "fruits": "apple, banana, orange, grape, mango, pineapple",
    "animals": "lion, tiger, elephant, giraffe, zebra, kangaroo",
    "sports": "soccer, basketball, tennis, baseball, football, cricket",
    "countries": "USA, Canada, Mexico, Brazil, Argentina, UK",
}


def test_the_thirty_words_are_the_issues():
    corpus = topics.load()
    assert corpus.name == "topics"
    assert corpus.label_names == ("animals", "countries", "finance", "fruits", "sports")
    found = list(zip(corpus.texts, [corpus.label_names[code] for code in corpus.labels], strict=True))
    assert found == [(word, topic) for topic, words in WORDS.items() for word in words.split(", ")]
    assert corpus.queries == ("bitcoin", "melon", "gazelle", "swimming", "Uganda")
    assert corpus.warnings == ()


def test_the_options_hold_for_them_too():
    assert topics.load(queries=["fish"]).queries == ("fish",)
    assert topics.load(queries=[]).queries == ()
    assert set(Counter(topics.load(limit=10).labels.tolist()).values()) == {2}
